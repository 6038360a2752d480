//! What a run of a quantized network made, tensor by tensor: for comparing two ways of computing it.

use crate::exec::Recording;
use crate::ir::ValueMap;
use crate::ops::{Graph, Layout, Op};
use crate::tensor::Value;
use std::collections::BTreeMap;

/// Every tensor of `uint8` codes that a run of `graph` made, by name, images as `[N, C, H, W]`.
///
/// Of a file with `int8` activations they are 128 more than its own. The names are those of the
/// QuantizeLinear outputs of the exported file; where the integer network holds a tensor in a second
/// layout there is one more entry of another name.
pub fn codes(graph: &Graph, recording: &Recording) -> BTreeMap<String, Value> {
    let mut layouts: ValueMap<Layout> = ValueMap::new();
    let mut found = BTreeMap::new();
    let nodes = graph.order().unwrap_or_default();
    for node in nodes.into_iter().filter_map(|id| graph.node(id)) {
        for &output in &node.outputs {
            let Some(value) = recording.get(output).filter(|v| v.as_slice::<u8>().is_ok()) else { continue };
            // What a lowered operator reads and what it makes lie alike.
            let mut read = node.inputs.iter().flatten().filter_map(|id| layouts.get(*id).copied());
            let layout = match &node.op {
                Op::QuantizeLinear(_) => Layout::Nchw,
                Op::QTranspose(transpose) => transpose.to,
                _ => read.next().unwrap_or(Layout::Nchw),
            };
            let is_image = value.rank() == 4;
            if is_image {
                layouts.insert(output, layout);
            }
            let value = if is_image && layout == Layout::Nhwc { nchw(value) } else { Some(value.clone()) };
            found.extend(value.map(|value| (graph.value(output).name.clone(), value)));
        }
    }
    found
}

/// `[N, H, W, C]` → `[N, C, H, W]`.
fn nchw(value: &Value) -> Option<Value> {
    let view = value.view::<u8>().ok()?.permuted_axes(vec![0, 3, 1, 2]);
    Some(Value::from_array(view.as_standard_layout().into_owned()))
}
