//! TorchScript modules and PyTorch checkpoints: files that Python wrote, files that we write, and broken ones.

use anyhow::Result;
use polytask::error::Mistake;
use polytask::libtorch::{Module, Node, Script, access_path, describe, read_state_dict, seed_global, write_state_dict};
use polytask::weights;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures").join(name)
}

fn load(name: &str) -> Module {
    Module::load(&fixture(name), Device::Cpu).expect("a fixture loads")
}

fn named(tensors: Vec<(String, Tensor)>) -> BTreeMap<String, Tensor> {
    tensors.into_iter().collect()
}

/// Inputs `x` `[16, 10]` and PyTorch's outputs `task1`, `task2` `[16, 2]`.
fn probe() -> BTreeMap<String, Tensor> {
    named(weights::read(&fixture("document/probe.safetensors")).expect("the probe"))
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).expect("one number")
}

fn mistake(error: anyhow::Error) -> Mistake {
    error.downcast::<Mistake>().expect("a person's mistake")
}

/// The document's model from its initial weights, under PyTorch's names.
fn document(weights: &BTreeMap<String, Tensor>) -> Script {
    let linear =
        |name: &str| Script::linear(&weights[&format!("{name}.weight")], Some(&weights[&format!("{name}.bias")]));
    let relu = || Script::activation("torch.nn.modules.activation.ReLU", "torch.relu(input)");
    let trunk = [linear("shared_layers.0"), relu(), linear("shared_layers.2"), relu()];
    let source = format!(
        "def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n    z = {}.forward(x)\n    return {}.forward(z), {}.forward(z)\n",
        access_path("shared_layers"),
        access_path("task1_layer"),
        access_path("task2_layer")
    );
    Script::new("document.MultiTaskModel", source)
        .child("shared_layers", Script::sequential(trunk))
        .child("task1_layer", linear("task1_layer"))
        .child("task2_layer", linear("task2_layer"))
}

fn initial_weights() -> BTreeMap<String, Tensor> {
    named(weights::read(&fixture("document/init.safetensors")).expect("the weights"))
}

const DOCUMENT_NAMES: [&str; 8] = [
    "shared_layers.0.weight",
    "shared_layers.0.bias",
    "shared_layers.2.weight",
    "shared_layers.2.bias",
    "task1_layer.weight",
    "task1_layer.bias",
    "task2_layer.weight",
    "task2_layer.bias",
];

#[test]
fn a_module_of_pytorch_gives_pytorchs_outputs() -> Result<()> {
    let probe = probe();
    for file in ["document/model_scripted.pt", "document/model_traced.pt"] {
        let module = load(file);
        let outputs = module.forward(&[probe["x"].shallow_clone()])?;
        assert!(outputs.names.is_none() && outputs.tensors.len() == 2);
        for (output, task) in outputs.tensors.iter().zip(["task1", "task2"]) {
            assert!(largest_difference(output, &probe[task]) <= 1e-6, "{file} {task}");
        }
        let parameters = module.parameters();
        assert_eq!(parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), DOCUMENT_NAMES);
        assert!(parameters.iter().all(|(_, tensor)| tensor.requires_grad()) && module.buffers().is_empty());
    }
    Ok(())
}

#[test]
fn a_module_describes_itself() {
    let module = load("document/model_scripted.pt");
    let tree = module.tree();
    assert_eq!(tree[0].path, "");
    let linear = Node { path: "shared_layers.2".into(), class: "torch.nn.modules.linear.Linear".into() };
    assert!(tree.contains(&linear), "{tree:?}");
    let signature = module.signature().expect("it has a forward");
    assert!(signature.contains("Tensor x") && signature.ends_with("-> ((Tensor, Tensor))"), "{signature}");
}

#[test]
fn outputs_of_a_dictionary_keep_their_names_and_buffers_are_listed() -> Result<()> {
    let module = load("pytorch/named_outputs.pt");
    let x = Tensor::ones([5, 4], (Kind::Float, Device::Cpu));
    let outputs = module.forward(&[x])?;
    assert_eq!(outputs.names, Some(vec!["z".to_string(), "a".to_string()]));
    assert_eq!(outputs.tensors[1].size(), [5, 2]);
    let buffers: Vec<String> = module.buffers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(buffers, ["running_mean", "running_var", "num_batches_tracked"].map(|name| format!("trunk.1.{name}")));
    assert_eq!(module.extra("note.txt").as_deref(), Some("from Python"));
    assert_eq!(module.extra("nothing"), None);
    Ok(())
}

#[test]
fn a_module_trains_in_training_mode_only_and_the_seed_fixes_its_draws() -> Result<()> {
    let module = load("pytorch/named_outputs.pt");
    let x = Tensor::arange(20, (Kind::Float, Device::Cpu)).reshape([5, 4]);
    let run = |seed| -> Result<Tensor> {
        seed_global(seed);
        Ok(module.forward(&[x.shallow_clone()])?.tensors.swap_remove(0))
    };
    module.set_training(false)?;
    assert_eq!(run(1)?, run(2)?);
    let counted = |module: &Module| i64::try_from(&module.buffers()[2].1).expect("one number");
    assert_eq!(counted(&module), 0);
    module.set_training(true)?;
    assert_eq!(run(1)?, run(1)?);
    assert_ne!(run(1)?, run(2)?);
    assert_eq!(counted(&module), 4);

    // The file is in eval mode, the module goes on training.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("m.pt");
    module.save(&path, &[("a", "1"), ("b", "zwei\0drei")])?;
    let saved = Module::load(&path, Device::Cpu)?;
    assert_eq!(saved.forward(&[x.shallow_clone()])?.tensors[0], saved.forward(&[x.shallow_clone()])?.tensors[0]);
    assert_eq!((saved.extra("a").as_deref(), saved.extra("b").as_deref()), (Some("1"), Some("zwei\0drei")));
    assert_eq!(counted(&saved), 4);
    assert_ne!(run(1)?, run(2)?);
    Ok(())
}

#[test]
fn a_wrong_input_is_one_line_that_says_what_is_wrong() {
    let module = load("document/model_scripted.pt");
    let wrong = Tensor::zeros([5, 3], (Kind::Float, Device::Cpu));
    let error = module.forward(&[wrong]).expect_err("3 features, not 10").to_string();
    assert!(error.contains("shapes cannot be multiplied (5x3 and 10x20)") && !error.contains('\n'), "{error}");
    let error = module.forward(&[]).expect_err("no input").to_string();
    assert!(error.contains("missing value for argument 'x'") && !error.contains('\n'), "{error}");
}

#[test]
fn parameters_follow_a_flat_buffer_and_its_gradient() -> Result<()> {
    let module = load("document/model_scripted.pt");
    let probe = probe();
    let parameters = module.parameters();
    let flat = Tensor::zeros([742], (Kind::Float, Device::Cpu));
    let mut offset = 0;
    for (_, parameter) in &parameters {
        let mut view = flat.narrow(0, offset, parameter.numel() as i64).view_as(parameter);
        tch::no_grad(|| view.copy_(parameter));
        tch::no_grad(|| parameter.shallow_clone().set_data(&view));
        offset += parameter.numel() as i64;
    }
    let run = || -> Result<Tensor> { Ok(module.forward(&[probe["x"].shallow_clone()])?.tensors.swap_remove(0)) };
    let before = run()?;
    assert!(largest_difference(&before, &probe["task1"]) <= 1e-6);
    let _ = flat.shallow_clone().zero_();
    assert_eq!(f64::try_from(run()?.abs().max())?, 0.0);

    // Saving takes the parameters out of the buffer, and leaves the module in it.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("m.pt");
    module.save(&path, &[])?;
    assert!(Module::load(&path, Device::Cpu)?.parameters().iter().all(|(_, p)| p.requires_grad()));
    let _ = flat.shallow_clone().fill_(1.0);
    run()?.sum(Kind::Float).backward();
    let gradient = module.parameters()[0].1.grad();
    assert!(gradient.defined() && f64::try_from(gradient.abs().max())? > 0.0);
    Ok(())
}

#[test]
fn precision_changes_the_same_tensors_and_no_counters() -> Result<()> {
    let module = load("pytorch/named_outputs.pt");
    let weight = module.parameters().swap_remove(0).1;
    module.to(Device::Cpu, Kind::Double)?;
    assert_eq!(weight.kind(), Kind::Double);
    assert_eq!(
        module.buffers().iter().map(|(_, b)| b.kind()).collect::<Vec<_>>(),
        [Kind::Double, Kind::Double, Kind::Int64]
    );
    let outputs = module.forward(&[Tensor::ones([2, 4], (Kind::Double, Device::Cpu))])?;
    assert_eq!(outputs.tensors[0].kind(), Kind::Double);
    Ok(())
}

#[test]
fn a_written_module_comes_back_exactly() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.pt");
    let script = document(&initial_weights());
    script.save(&path, &[("polytask.json", "{\"tasks\": [\"task1\", \"task2\"]}")])?;
    let (written, loaded) = (script.compile()?, Module::load(&path, Device::Cpu)?);
    let x = &probe()["x"];
    let (a, b) = (written.forward(&[x.shallow_clone()])?, loaded.forward(&[x.shallow_clone()])?);
    assert_eq!(a.tensors, b.tensors);
    assert!(largest_difference(&b.tensors[1], &probe()["task2"]) <= 1e-6);
    assert_eq!(loaded.parameters().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), DOCUMENT_NAMES);
    assert_eq!(loaded.extra("polytask.json").as_deref(), Some("{\"tasks\": [\"task1\", \"task2\"]}"));
    Ok(())
}

#[test]
fn a_view_of_a_big_buffer_is_saved_without_the_buffer() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let big = Tensor::zeros([1_000_000], (Kind::Float, Device::Cpu));
    let (weight, bias) = (big.narrow(0, 100, 200).view([20, 10]), big.narrow(0, 300, 20));
    let path = folder.path().join("m.pt");
    Script::linear(&weight, Some(&bias)).save(&path, &[])?;
    assert!(std::fs::metadata(&path)?.len() < 10_000);
    Script::linear(&weight, None).compile()?.save(&path, &[])?;
    assert!(std::fs::metadata(&path)?.len() < 10_000);
    write_state_dict(&[("weight".into(), weight)], &path)?;
    assert!(std::fs::metadata(&path)?.len() < 10_000);
    Ok(())
}

#[test]
fn layers_do_what_their_namesakes_do() -> Result<()> {
    let x = Tensor::ones([100, 100], (Kind::Float, Device::Cpu));
    let weight = Tensor::ones([1, 100], (Kind::Float, Device::Cpu));
    let module = Script::sequential([Script::dropout(0.25), Script::linear(&weight, None)]).compile()?;
    let mean = |module: &Module| {
        f64::try_from(module.forward(&[x.shallow_clone()])?.tensors[0].mean(Kind::Double)).map_err(anyhow::Error::from)
    };
    assert_eq!(mean(&module)?, 100.0);
    module.set_training(true)?;
    let trained = mean(&module)?;
    assert!(trained != 100.0 && (90.0..110.0).contains(&trained), "{trained}");
    Ok(())
}

#[test]
fn lists_are_outputs_and_anything_but_tensors_is_an_error() -> Result<()> {
    let x = Tensor::ones([2], (Kind::Float, Device::Cpu));
    let run = |kind: &str, result: &str| {
        let source = format!("def forward(self, x: Tensor) -> {kind}:\n    return {result}\n");
        Script::new("a.B", source).compile()?.forward(&[x.shallow_clone()])
    };
    let outputs = run("List[Tensor]", "[x, x + 1]")?;
    assert!(outputs.names.is_none() && outputs.tensors[1] == &x + 1);
    for (kind, result, expected) in [
        ("int", "3", "the output of forward is of type Int, not a tensor"),
        ("Tuple[Tensor, int]", "(x, 3)", "output 2 of forward is of type Int, not a tensor"),
        ("Dict[str, List[Tensor]]", "{'a': [x]}", "output 'a' of forward is of type GenericList, not a tensor"),
        ("Dict[int, Tensor]", "{1: x}", "the keys of forward's dictionary are not strings"),
    ] {
        let error = run(kind, result).expect_err("no tensors").to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    Ok(())
}

#[test]
fn broken_source_and_impossible_names_are_errors() {
    let broken = Script::activation("a.B", "torch.no_such_function(input)");
    let error = broken.compile().expect_err("no such function").to_string();
    assert!(error.starts_with("__torch__.a.B: its TorchScript does not compile"), "{error}");
    for (class, child) in [
        ("a.B!", "x"),
        ("a..B", "x"),
        ("", "x"),
        ("a.B", "x.y"),
        ("a.B", ""),
        ("a.B", "x\"y"),
        ("a.B", "é"),
        ("a.B", "class"),
    ] {
        let script = Script::activation(class, "input").child(child, Script::dropout(0.5));
        assert!(mistake(script.compile().expect_err("a bad name")).remedy.is_some(), "{class:?} {child:?}");
    }
}

#[test]
fn names_that_are_no_identifiers_come_back_from_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("m.pt");
    for name in ["age (years)", "my-task", "lambda", "9"] {
        let weight = Tensor::ones([1, 2], (Kind::Float, Device::Cpu));
        let source =
            format!("def forward(self, input: Tensor) -> Tensor:\n    return {}.forward(input)\n", access_path(name));
        Script::new("a.B", source).child(name, Script::linear(&weight, None)).save(&path, &[])?;
        let module = Module::load(&path, Device::Cpu)?;
        assert_eq!(module.parameters()[0].0, format!("{name}.weight"));
        assert_eq!(f64::try_from(&module.forward(&[weight])?.tensors[0])?, 2.0);
    }
    Ok(())
}

#[test]
fn a_state_dict_is_read_exactly_and_in_its_order() -> Result<()> {
    let weights = initial_weights();
    let read = read_state_dict(&fixture("document/init_state_dict.pt"))?;
    assert_eq!(read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), DOCUMENT_NAMES);
    for (name, tensor) in &read {
        assert_eq!(tensor, &weights[name], "{name}");
    }
    let described = describe(&fixture("document/init_state_dict.pt"))?;
    assert_eq!(described[0], ("shared_layers.0.weight".to_string(), "float32 [20, 10]".to_string()));
    Ok(())
}

#[test]
fn a_checkpoint_gives_its_model_and_lists_the_rest() -> Result<()> {
    let path = fixture("pytorch/checkpoint.pt");
    let weights = named(read_state_dict(&path)?);
    assert_eq!(weights.len(), 11);
    let base = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4]);
    assert_eq!((&weights["transposed"], &weights["row"]), (&base.tr(), &base.get(1)));
    assert_eq!(i64::try_from(&weights["trunk.1.num_batches_tracked"])?, 1);
    assert_eq!(weights["parameter"], Tensor::ones([2], (Kind::Float, Device::Cpu)));
    let described: BTreeMap<_, _> = describe(&path)?.into_iter().collect();
    assert_eq!(described["epoch"], "3");
    assert_eq!(described["optimizer.param_groups.0.lr"], "0.001");
    assert_eq!(described["optimizer.state.0.exp_avg"], "float32 [3, 4]");
    assert_eq!(described["model.trunk.1.num_batches_tracked"], "int64 []");

    let parameters = read_state_dict(&fixture("pytorch/parameters.pt"))?;
    assert_eq!(parameters.len(), 5);
    Ok(())
}

#[test]
fn what_is_written_is_what_is_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.pt");
    let base = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4]);
    let kinds = [
        Kind::Double,
        Kind::Half,
        Kind::BFloat16,
        Kind::Int64,
        Kind::Int,
        Kind::Int16,
        Kind::Int8,
        Kind::Uint8,
        Kind::Bool,
    ];
    let mut tensors: Vec<(String, Tensor)> =
        kinds.iter().map(|kind| (format!("{kind:?}"), base.to_kind(*kind))).collect();
    tensors.push(("a.view".into(), base.tr()));
    tensors.push(("scalar".into(), Tensor::from(1.5)));
    tensors.push(("empty".into(), Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))));
    tensors.push(("übung".into(), base.set_requires_grad(true)));
    write_state_dict(&tensors, &path)?;
    let read = read_state_dict(&path)?;
    assert_eq!(read.len(), tensors.len());
    for ((name, tensor), (read_name, read_tensor)) in tensors.iter().zip(&read) {
        assert_eq!((name, tensor.kind(), tensor.size()), (read_name, read_tensor.kind(), read_tensor.size()));
        assert!(tensor == read_tensor, "{name}");
    }
    Ok(())
}

#[test]
fn a_wrong_file_is_named_for_what_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let empty = folder.path().join("empty.pt");
    std::fs::write(&empty, b"")?;
    let text = folder.path().join("text.pt");
    std::fs::write(&text, b"version https://git-lfs.github.com/spec/v1\n")?;
    let half = folder.path().join("half.pt");
    std::fs::write(&half, &std::fs::read(fixture("document/model_scripted.pt"))?[..6000])?;
    let module_errors = [
        (folder.path().join("missing.pt"), "there is no such file"),
        (folder.path().to_path_buf(), "is a folder"),
        (empty, "is empty"),
        (half, "is damaged or cut short"),
        (text, "is not a TorchScript module but of an unknown kind"),
        (fixture("document/init_state_dict.pt"), "is not a TorchScript module but a state_dict"),
        (fixture("pytorch/whole_module.pt"), "is not a TorchScript module but a state_dict or another pickle"),
        (fixture("document/init.safetensors"), "is not a TorchScript module but a safetensors file"),
        (fixture("pytorch/legacy.pth"), "is not a TorchScript module but a pickle in the form of before PyTorch 1.6"),
    ];
    for (path, expected) in module_errors {
        let mistake = mistake(Module::load(&path, Device::Cpu).expect_err("not a module"));
        assert!(mistake.what.contains(expected) && mistake.remedy.is_some(), "{mistake:?}");
        assert_eq!(mistake.place, path.display().to_string());
    }
    let state_errors = [
        ("document/model_scripted.pt", "is not a state_dict but a TorchScript module"),
        ("pytorch/legacy.pth", "before PyTorch 1.6"),
        ("pytorch/whole_module.pt", "holds a whole pickled object of the class torch.nn.modules.linear.Linear"),
    ];
    for (name, expected) in state_errors {
        let mistake = mistake(read_state_dict(&fixture(name)).expect_err("not a state_dict"));
        assert!(mistake.what.contains(expected) && mistake.remedy.is_some(), "{mistake:?}");
    }
    Ok(())
}

#[test]
fn a_broken_file_is_an_error_and_never_a_crash() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("broken.pt");
    let read = |bytes: &[u8], name: &str| -> Result<bool> {
        std::fs::write(&path, bytes)?;
        let loaded = Module::load(&path, Device::Cpu).map(|_| ());
        let state = weights::read(&path).map(|_| ());
        for error in [loaded.as_ref().err(), state.as_ref().err()].into_iter().flatten() {
            assert!(error.downcast_ref::<Mistake>().is_some(), "{name}: {error:?}");
        }
        Ok(loaded.is_ok() || state.is_ok())
    };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for name in [
        "document/model_scripted.pt",
        "document/model_traced.pt",
        "document/init_state_dict.pt",
        "pytorch/checkpoint.pt",
        "document/init.safetensors",
    ] {
        let whole = std::fs::read(fixture(name))?;
        assert!(read(&whole, name)?);
        for length in (0..whole.len()).step_by(97).chain(whole.len() - 80..whole.len()) {
            assert!(!read(&whole[..length], name)?, "{name} cut at {length}");
        }
        for _ in 0..200 {
            let mut bytes = whole.clone();
            bytes[random.random_range(0..whole.len())] ^= 1 << random.random_range(0..8);
            read(&bytes, name)?;
        }
    }
    Ok(())
}

#[test]
fn a_flipped_bit_in_a_weight_is_noticed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("flipped.pt");
    let mut bytes = std::fs::read(fixture("document/model_scripted.pt"))?;
    let weight = initial_weights()["task1_layer.bias"].shallow_clone();
    let first = f32::try_from(weight.get(0))?.to_le_bytes();
    let place = bytes.windows(4).position(|window| window == first).expect("the weight stands in the file as it is");
    bytes[place] ^= 1;
    std::fs::write(&path, bytes)?;
    let error = Module::load(&path, Device::Cpu).expect_err("a wrong weight").to_string();
    assert!(error.contains("does not match its checksum"), "{error}");
    Ok(())
}
