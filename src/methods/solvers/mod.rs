//! The mathematics of small problems, `T` tasks wide, in f64: exact, or an error that says what they found.

mod barrier;
mod cagrad;
mod cholesky;
mod dual_cone;
mod eigen;
mod linear_program;
mod min_norm;
mod nonnegative;
mod root;
mod simplex;
mod softmax;
mod swept;
mod unit_gramian;

pub use cagrad::cagrad;
pub use dual_cone::DualCone;
pub use eigen::Eigen;
pub use linear_program::linear_program;
pub use min_norm::min_norm;
pub use nonnegative::{Optimum, Support, Unsolved, dot, nonnegative};
pub use root::{Root, convex_root};
pub use simplex::project_on_simplex;
pub use softmax::softmax;
pub use unit_gramian::UnitGramian;
