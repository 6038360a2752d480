//! The raw numbers of one picture: what the networks were given and what they said, nothing rounded,
//! normalized or sorted.

use super::SessionError;
use super::network::Network;
use super::pictures::PictureInput;
use super::runnable::QuantizedModel;
use crate::exec::ExecError;

/// Scores of the classes before any Softmax, and the tensor that they were computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureLogits {
    /// Number of the picture.
    pub picture: usize,
    /// What both networks were given, row-major: the picture behind the preprocessing in force.
    pub input: Vec<f32>,
    /// Its sizes: `[1, C, H, W]`, or `[1, H, W, C]`.
    pub input_shape: Vec<usize>,
    /// Full precision's score of each class.
    pub full: Vec<f32>,
    /// The quantized network's, as it runs (on integers where it can); none before it is quantized.
    pub quantized: Option<Vec<f32>>,
}

/// Runs one picture through both networks.
///
/// # Errors
/// When a node fails.
pub(super) fn of(
    network: &Network,
    quantized: Option<&QuantizedModel>,
    input: &PictureInput,
) -> Result<PictureLogits, SessionError> {
    let value = &input.value;
    Ok(PictureLogits {
        picture: input.picture,
        input: value.as_slice::<f32>().map_err(ExecError::from)?.to_vec(),
        input_shape: value.shape().to_vec(),
        full: network.model.scores(value.clone())?,
        quantized: quantized.map(|model| model.integer.scores(value.clone())).transpose()?,
    })
}
