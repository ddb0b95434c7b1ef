import torch
rules = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
         "adagrad": torch.optim.Adagrad, "rmsprop": torch.optim.RMSprop}
cases = [
    ("sgd", {}), ("sgd", dict(lr=0.1)), ("sgd", dict(lr=0.1, weight_decay=0.3)), ("sgd", dict(lr=0.1, momentum=0.9)),
    ("sgd", dict(lr=0.1, momentum=0.9, dampening=0.4)), ("sgd", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("sgd", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.3)),
    ("sgd", dict(lr=0.1, momentum=0.9, dampening=0.4, weight_decay=0.3)),
    ("adam", {}), ("adam", dict(lr=0.1)), ("adam", dict(lr=0.1, betas=[0.8, 0.95])), ("adam", dict(lr=0.1, eps=0.1)),
    ("adam", dict(lr=0.1, weight_decay=0.3)), ("adam", dict(lr=0.1, amsgrad=True, betas=[0.9, 0.5])),
    ("adam", dict(lr=0.1, amsgrad=True, betas=[0.9, 0.5], weight_decay=0.3)),
    ("adamw", {}), ("adamw", dict(lr=0.1, weight_decay=0.0)), ("adamw", dict(lr=0.1, weight_decay=0.3, betas=[0.8, 0.95], eps=0.1)),
    ("adamw", dict(lr=0.1, weight_decay=0.3, amsgrad=True, betas=[0.9, 0.5])),
    ("adagrad", {}), ("adagrad", dict(lr=0.1, lr_decay=0.2)), ("adagrad", dict(lr=0.1, initial_accumulator_value=0.5)),
    ("adagrad", dict(lr=0.1, eps=0.1)), ("adagrad", dict(lr=0.1, weight_decay=0.3)),
    ("adagrad", dict(lr=0.1, lr_decay=0.2, initial_accumulator_value=0.5, eps=0.1, weight_decay=0.3)),
    ("rmsprop", {}), ("rmsprop", dict(alpha=0.8)), ("rmsprop", dict(eps=0.1)), ("rmsprop", dict(weight_decay=0.3)),
    ("rmsprop", dict(momentum=0.9)), ("rmsprop", dict(centered=True)), ("rmsprop", dict(centered=True, alpha=0.8, momentum=0.9)),
    ("rmsprop", dict(centered=True, alpha=0.8, momentum=0.9, eps=0.1, weight_decay=0.3)),
] + [(rule, dict(lr=0.1, weight_decay=0.3, groups=True)) for rule in rules]
for rule, settings in cases:
    yaml = {k.replace("lr_decay", "learning_rate_decay") if k != "lr" else "learning_rate": v for k, v in settings.items()}
    grouped = yaml.pop("groups", False)
    text = "".join(f", {k}: {str(v).lower()}" for k, v in yaml.items())
    text += ", groups: [{match: head, learning_rate: 0.02, weight_decay: 0.7}]" if grouped else ""
    print(f"{{name: {rule}{text}}}")
    for dtype in (torch.float64, torch.float32):
        trunk = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=dtype))
        head = torch.nn.Parameter(torch.tensor([0.5], dtype=dtype))
        groups = [dict(params=[trunk]), dict(params=[head], **(dict(lr=0.02, weight_decay=0.7) if grouped else {}))]
        optimizer = rules[rule](groups, foreach=False, **{k: v for k, v in settings.items() if k != "groups"})
        for step in range(1, 13):
            gradient = [((7 * step + 11 * i) % 13 - 6) / 4 for i in range(3)]
            trunk.grad = torch.tensor(gradient[:2], dtype=dtype)
            head.grad = torch.tensor(gradient[2:], dtype=dtype)
            optimizer.step()
            if step in (1, 2, 5, 12):
                print(" ", *(repr(x) for x in trunk.tolist() + head.tolist()))
