//! The operations that architectures and heads are wired with.

use super::Operation;
use crate::models::Mode;
use tch::Tensor;

/// `[N, …]` to `[N, F]`.
pub struct Flatten;

impl Operation for Flatten {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].flatten(1, -1)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0].iter().product()]
    }
    fn class(&self) -> &'static str {
        "Flatten"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.flatten({}, 1)", inputs[0])
    }
}

/// The mean over positions: feature maps `[N, C, H, W]` to `[N, C]`, sequences `[N, L, D]` to `[N, D]`.
pub struct MeanOverPositions {
    /// Whether channels come first.
    pub maps: bool,
}

impl Operation for MeanOverPositions {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let dimensions: &[i64] = if self.maps { &[2, 3] } else { &[1] };
        inputs[0].mean_dim(dimensions, false, inputs[0].kind())
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0][if self.maps { 0 } else { 1 }]]
    }
    fn class(&self) -> &'static str {
        "Mean"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.mean({}, {})", inputs[0], if self.maps { "[2, 3]" } else { "[1]" })
    }
}

/// Shares that sum to 1 along the last dimension.
pub struct Softmax;

impl Operation for Softmax {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].softmax(-1, inputs[0].kind())
    }
    fn class(&self) -> &'static str {
        "Softmax"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.softmax({}, -1)", inputs[0])
    }
}

/// The sum of values of one shape.
pub struct Add;

impl Operation for Add {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[1..].iter().fold(inputs[0].shallow_clone(), |sum, value| sum + *value)
    }
    fn class(&self) -> &'static str {
        "Add"
    }
    fn expression(&self, inputs: &[String]) -> String {
        inputs.join(" + ")
    }
}

/// The product of two values, entry by entry.
pub struct Multiply;

impl Operation for Multiply {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0] * inputs[1]
    }
    fn class(&self) -> &'static str {
        "Multiply"
    }
    fn expression(&self, inputs: &[String]) -> String {
        inputs.join(" * ")
    }
}

/// Features side by side: channels of maps, features of vectors (dimension 1), features of sequences (the last).
pub struct Concatenate;

impl Operation for Concatenate {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        Tensor::cat(inputs, if inputs[0].dim() == 3 { 2 } else { 1 })
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let mut shape = inputs[0].to_vec();
        let place = usize::from(shape.len() == 2);
        shape[place] = inputs.iter().map(|input| input[place]).sum();
        shape
    }
    fn class(&self) -> &'static str {
        "Concatenate"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let all = inputs.join(", ");
        format!("torch.cat([{all}], 2 if {}.dim() == 3 else 1)", inputs[0])
    }
}

/// `E` values of one shape as `[N, E, …]`.
pub struct Stack;

impl Operation for Stack {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        Tensor::stack(inputs, 1)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        [&[inputs.len() as i64], inputs[0]].concat()
    }
    fn class(&self) -> &'static str {
        "Stack"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.stack([{}], 1)", inputs.join(", "))
    }
}

/// `Σ_e g_e x_e` of gates `[N, E]` and a stack `[N, E, …]`.
pub struct Mixture;

impl Operation for Mixture {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let (gates, stack) = (inputs[0], inputs[1]);
        let flat = gates.unsqueeze(1).bmm(&stack.flatten(2, -1)); // [N, 1, F]
        flat.squeeze_dim(1).view_as(&stack.select(1, 0))
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[1][1..].to_vec()
    }
    fn class(&self) -> &'static str {
        "Mixture"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let (gates, stack) = (&inputs[0], &inputs[1]);
        let flat = format!("torch.bmm(torch.unsqueeze({gates}, 1), torch.flatten({stack}, 2))");
        format!("torch.view_as(torch.squeeze({flat}, 1), torch.select({stack}, 1, 0))")
    }
}

/// `Σ_j w_(row, j) x_j` of a matrix of weights `[R, J]` and `J` values of one shape.
pub struct Combination {
    /// Which row of the matrix.
    pub row: i64,
}

impl Operation for Combination {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let weights = inputs[0].select(0, self.row); // [J]
        let term = |(j, value): (usize, &&Tensor)| weights.select(0, j as i64) * *value;
        inputs[1..].iter().enumerate().map(term).reduce(|sum, term| sum + term).expect("there is a value")
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[1].to_vec()
    }
    fn class(&self) -> &'static str {
        "Combination"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let weights = |j: usize| format!("torch.select(torch.select({}, 0, {}), 0, {j})", inputs[0], self.row);
        let term = |(j, value): (usize, &String)| format!("{} * {value}", weights(j));
        inputs[1..].iter().enumerate().map(term).collect::<Vec<_>>().join(" + ")
    }
}

/// The first or the second half of the features: channels of maps, features of vectors, features of sequences (the last).
pub struct Half {
    /// Which.
    pub second: bool,
}

impl Half {
    /// Where features lie in a row of so many dimensions.
    pub fn dimension(rank: usize) -> usize {
        usize::from(rank == 2)
    }
}

impl Operation for Half {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let dimension = 1 + Self::dimension(inputs[0].dim() - 1) as i64;
        inputs[0].chunk(2, dimension).swap_remove(usize::from(self.second))
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let mut shape = inputs[0].to_vec();
        let features = &mut shape[Self::dimension(inputs[0].len())];
        *features /= 2;
        shape
    }
    fn class(&self) -> &'static str {
        "Half"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let x = &inputs[0];
        format!("torch.chunk({x}, 2, 2 if {x}.dim() == 3 else 1)[{}]", u8::from(self.second))
    }
}

/// Feature maps `[N, C, h, w]` to `[N, C, H, W]`, bilinear as `interpolate(…, align_corners=False)`.
pub struct Resize {
    /// `[H, W]`
    pub to: [i64; 2],
}

impl Operation for Resize {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].upsample_bilinear2d(self.to, false, None, None)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0][0], self.to[0], self.to[1]]
    }
    fn class(&self) -> &'static str {
        "Resize"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.upsample_bilinear2d({}, [{}, {}], False)", inputs[0], self.to[0], self.to[1])
    }
}

/// Sequences of outputs `[N, L, C]` to `[N, C, L]`, where PyTorch's losses want the classes.
pub struct ClassesFirst;

impl Operation for ClassesFirst {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].transpose(1, 2)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0][1], inputs[0][0]]
    }
    fn class(&self) -> &'static str {
        "Transpose"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.transpose({}, 1, 2)", inputs[0])
    }
}

/// Feature maps `[N, C, h, w]` within zeros, to `[N, C, H, W]`; where the zeros are odd in number, one more lies behind.
pub struct PadMaps {
    /// `[H, W]`
    pub to: [i64; 2],
}

impl PadMaps {
    /// Zeros left, right, above and below.
    fn zeros(&self, h: i64, w: i64) -> [i64; 4] {
        let (rows, columns) = (self.to[0] - h, self.to[1] - w);
        [columns / 2, columns - columns / 2, rows / 2, rows - rows / 2]
    }
}

impl Operation for PadMaps {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let size = inputs[0].size();
        inputs[0].constant_pad_nd(self.zeros(size[2], size[3]))
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0][0], self.to[0], self.to[1]]
    }
    fn class(&self) -> &'static str {
        "Pad"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let (x, [height, width]) = (&inputs[0], self.to);
        let split = |to: i64, side: usize| {
            let all = format!("({to} - {x}.size({side}))");
            format!("{all} // 2, {all} - {all} // 2")
        };
        format!("torch.constant_pad_nd({x}, [{}, {}])", split(width, 3), split(height, 2))
    }
}

/// `x Wᵀ + b` of `[N, …, F]`, a weight `[O, F]` and a bias `[O]` that are steps of their own.
pub struct LinearMap;

impl Operation for LinearMap {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].linear(inputs[1], Some(inputs[2]))
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let before = &inputs[0][..inputs[0].len() - 1];
        [before, &inputs[1][..1]].concat()
    }
    fn class(&self) -> &'static str {
        "Linear"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.linear({}, {}, {})", inputs[0], inputs[1], inputs[2])
    }
}

/// Features `from` up to `from + length` of the last dimension.
pub struct Narrow {
    /// The first feature.
    pub from: i64,
    /// How many.
    pub length: i64,
}

impl Operation for Narrow {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].narrow(-1, self.from, self.length)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let before = &inputs[0][..inputs[0].len() - 1];
        [before, &[self.length]].concat()
    }
    fn class(&self) -> &'static str {
        "Narrow"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.narrow({}, -1, {}, {})", inputs[0], self.from, self.length)
    }
}

/// One feature of vectors `[N, F]`, as `[N]`: a row without dimensions.
pub struct Select {
    /// Which.
    pub feature: i64,
}

impl Operation for Select {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].select(1, self.feature)
    }
    fn shape(&self, _inputs: &[&[i64]]) -> Vec<i64> {
        vec![]
    }
    fn class(&self) -> &'static str {
        "Select"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.select({}, 1, {})", inputs[0], self.feature)
    }
}
