"""Makes objects.gz: the first 40 training images of every class of Fashion-MNIST.

Usage: objects.py FOLDER, which holds train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, for instance those of the
Debian package dataset-fashion-mnist (sha256 of version 0.0~git20200523.55506a9-1:
39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0). The file holds 10 classes of 40 images of 28 rows of 28
bytes, nothing else.
"""

import gzip
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())[16:]
labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
chosen = [[at for at, label in enumerate(labels) if label == wanted][:40] for wanted in range(10)]
objects = b"".join(images[at * 784 : (at + 1) * 784] for of_class in chosen for at in of_class)
output = pathlib.Path(__file__).parent / "objects.gz"
output.write_bytes(gzip.compress(objects, 9, mtime=0))
print(len(objects), output.stat().st_size)
