//! Types and shapes of all values, from those of the inputs.

use super::{PassError, type_inputs};
use crate::ops::{Graph, GraphPatch};
use crate::tensor::{Dim, Shape, TensorType};

/// States the type of every value that a node makes. Where inference leaves a size open, the one
/// declared in the file stays.
///
/// # Errors
/// [`PassError::Node`] when a node's inputs do not fit it.
pub fn infer_types(graph: &Graph) -> Result<Graph, PassError> {
    // Each node sees the types that were inferred before it, so the graph is patched node by node in
    // a working copy of the types.
    let mut current = graph.clone();
    for id in graph.order()? {
        let Some(node) = graph.node(id) else { continue };
        let Some(inputs) = type_inputs(&current, node) else { continue };
        let types = node.op.infer(&inputs).map_err(|e| PassError::at(node, e))?;
        let outputs = node.outputs.iter().zip(types);
        let merged: Vec<_> = outputs.map(|(&id, ty)| (id, merge(ty, graph.value(id).ty.as_ref()))).collect();
        for (id, ty) in merged {
            current.set_type(id, ty);
        }
    }
    let mut patch = GraphPatch::new(graph);
    for (id, value) in current.values() {
        if let Some(ty) = &value.ty
            && graph.value(id).ty.as_ref() != Some(ty)
        {
            patch.set_type(id, ty.clone());
        }
    }
    Ok(graph.apply(patch)?)
}

/// What was inferred, completed by what was declared.
pub(super) fn merge(inferred: TensorType, declared: Option<&TensorType>) -> TensorType {
    let Some(declared) = declared else { return inferred };
    let shape = match (inferred.shape, &declared.shape) {
        (Shape::Unranked, shape) => shape.clone(),
        (Shape::Ranked(a), Shape::Ranked(b)) if a.len() == b.len() => {
            let pick = |(a, b): (Dim, &Dim)| if a == Dim::Unknown { b.clone() } else { a };
            Shape::Ranked(a.into_iter().zip(b).map(pick).collect())
        }
        (shape, _) => shape,
    };
    TensorType::new(inferred.dtype, shape)
}
