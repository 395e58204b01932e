use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Which engine is to run a model; as text `auto`, `sparse`, `tract`, `ort-cpu`, `ort-cuda` or `ort-cuda:N`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineChoice {
    /// The sparse kernels where they know the encoder and are estimated to need at most half of the processor time
    /// that all weights would; else ONNX Runtime on the processor where this build has it and its library is found,
    /// else tract. Where [`OrtOptions::library`](super::OrtOptions::library) names one, ONNX Runtime.
    /// [`Model::device`](crate::Model::device) says which it was and why. Never a GPU: one is asked for.
    #[default]
    Auto,
    /// This crate's own kernels, whose products cost what the kept weights cost: on any processor, no
    /// library needed, but only for the encoders that they know.
    Sparse,
    /// tract: pure Rust, on any processor, no library needed.
    Tract,
    /// ONNX Runtime on the processor; needs the feature `ort` and ONNX Runtime's library.
    OrtCpu,
    /// ONNX Runtime on an NVIDIA GPU; needs the feature `ort` and ONNX Runtime's CUDA library. Never falls
    /// back to the processor.
    OrtCuda {
        /// CUDA's number of the GPU.
        device: u32,
    },
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineChoice::Auto => f.write_str("auto"),
            EngineChoice::Sparse => f.write_str("sparse"),
            EngineChoice::Tract => f.write_str("tract"),
            EngineChoice::OrtCpu => f.write_str("ort-cpu"),
            EngineChoice::OrtCuda { device } => write!(f, "ort-cuda:{device}"),
        }
    }
}

impl FromStr for EngineChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<EngineChoice, Error> {
        match text.split_once(':') {
            None if text == "auto" => Ok(EngineChoice::Auto),
            None if text == "sparse" => Ok(EngineChoice::Sparse),
            None if text == "tract" => Ok(EngineChoice::Tract),
            None if text == "ort-cpu" => Ok(EngineChoice::OrtCpu),
            None if text == "ort-cuda" => Ok(EngineChoice::OrtCuda { device: 0 }),
            Some(("ort-cuda", number)) if number.parse::<u32>().is_ok_and(|n| n < 1 << 16) => {
                Ok(EngineChoice::OrtCuda { device: number.parse().unwrap_or_default() })
            }
            _ => Err(Error::new(
                ErrorKind::Input,
                "engine",
                format!("'{text}'"),
                "auto, sparse, tract, ort-cpu, ort-cuda or ort-cuda:N",
            )),
        }
    }
}
