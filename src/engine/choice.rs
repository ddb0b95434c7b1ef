//! Which engine, and with which vector instructions.

use crate::error::BadSetting;
use crate::kernels::Instructions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What differentiates. All give the same numbers, to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// `dense` where it can serve, else `autograd`.
    #[default]
    Auto,
    /// libtorch's tape: any model.
    Autograd,
    /// By hand, on the CPU: linear layers with activations, shared by all tasks, and linear heads.
    Dense,
}

impl EngineChoice {
    /// Its name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Autograd => "autograd",
            Self::Dense => "dense",
        }
    }
}

/// The vector instructions of what is computed by hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstructionsChoice {
    /// The widest that the processor has.
    #[default]
    Auto,
    /// 512 bits.
    Avx512,
    /// 256 bits.
    Avx2,
    /// 128 bits, on any processor.
    Portable,
}

impl InstructionsChoice {
    /// What the processor is to use.
    ///
    /// # Errors
    /// It does not have them (path `instructions`).
    pub fn resolve(self) -> Result<Instructions, BadSetting> {
        let chosen = match self {
            Self::Auto => return Ok(Instructions::best()),
            Self::Avx512 => Instructions::Avx512,
            Self::Avx2 => Instructions::Avx2,
            Self::Portable => Instructions::Portable,
        };
        if chosen.available() {
            return Ok(chosen);
        }
        let there = Instructions::ALL.into_iter().filter(|it| it.available()).map(Instructions::name);
        let there = there.collect::<Vec<_>>().join(", ");
        Err(BadSetting::new("instructions", format!("this processor has no {}", chosen.name()))
            .remedy(format!("write `instructions: auto`, or one of those that it has: {there}")))
    }
}

impl From<Instructions> for InstructionsChoice {
    fn from(instructions: Instructions) -> Self {
        match instructions {
            Instructions::Avx512 => Self::Avx512,
            Instructions::Avx2 => Self::Avx2,
            Instructions::Portable => Self::Portable,
        }
    }
}
