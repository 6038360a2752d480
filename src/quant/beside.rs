//! Each layer quantized beside itself: what its own rounding does to its output, for all layers in one run.
//!
//! The network stays as it is. Beside each layer stand up to three of the same kind, which read what the
//! layer reads in full precision: one with weight and input quantized, one with the weight alone, one with
//! the input alone. Their outputs are results of the graph, behind its own; whoever watches a run compares them
//! with the layer's.

use super::apply::Writer;
use super::parts::{LayerParts, layers};
use super::{QuantError, QuantPlan};
use crate::ir::ValueId;
use crate::ops::Graph;

/// A graph with layers beside layers.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The network with them.
    pub graph: Graph,
    /// The layers of which a plan quantizes anything, in order of execution.
    pub layers: Vec<LayerBeside>,
}

/// A layer, and those beside it.
#[derive(Debug, Clone)]
pub struct LayerBeside {
    /// The layer.
    pub layer: LayerParts,
    /// Output of the one with weight and input quantized.
    pub both: ValueId,
    /// Of the one with its weight quantized, where the plan does that.
    pub weight: Option<ValueId>,
    /// Of the one with its input quantized, where the plan does that.
    pub input: Option<ValueId>,
}

/// Puts the layers of a plan beside those of a graph. Values of the graph keep their numbers.
///
/// # Errors
/// As [`apply`](super::apply).
pub fn beside(graph: &Graph, plan: &QuantPlan) -> Result<Beside, QuantError> {
    let mut writer = Writer::new(graph, plan);
    writer.tensors()?;
    let parts = layers(graph)?;
    let (mut found, mut outputs) = (Vec::new(), graph.outputs().to_vec());
    for layer in parts {
        let Some(node) = graph.nodes().map(|(_, node)| node).find(|node| node.name == layer.name) else {
            continue;
        };
        let both = writer.inputs_of(node)?;
        if both == node.inputs {
            continue;
        }
        let is_input = |id: &Option<ValueId>| *id == layer.input;
        let pick = |quantized_input: bool| -> Vec<Option<ValueId>> {
            let slots = node.inputs.iter().zip(&both);
            slots
                .map(|(full, other)| if is_input(full) == quantized_input { *other } else { *full })
                .collect()
        };
        let mut add = |what: &str, inputs: Vec<Option<ValueId>>| {
            (inputs != node.inputs).then(|| {
                let ty = graph.value(layer.output).ty.clone();
                let name = format!("{}_{what}", node.name);
                writer.patch.add_op(&name, node.op.clone(), inputs, ty)
            })
        };
        let (weight, input) = (add("weight", pick(false)), add("input", pick(true)));
        let Some(both) = add("both", both.clone()) else { continue };
        // What nobody asks for is not run.
        outputs.extend([Some(both), weight, input].into_iter().flatten());
        found.push(LayerBeside { layer, both, weight, input });
    }
    writer.patch.set_outputs(outputs);
    let graph = crate::passes::infer_types(&graph.apply(writer.patch)?)?;
    Ok(Beside { graph, layers: found })
}
