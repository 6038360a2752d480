//! The definition of a quantized network, node by node, on the codes that its integer form made.
//!
//! The definition (QuantizeLinear and DequantizeLinear in float) and the integer form round at
//! different places, and where a sum lies near the middle of two codes they may take different
//! ones. In a whole network such differences feed others. Here every QuantizeLinear of the
//! definition is computed, compared with the integer form's codes, and then replaced by them, so
//! that each operator is judged on inputs that are the same for both.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use bitlens::exec::Recording;
use bitlens::ir::ValueId;
use bitlens::ops::{Graph, Kind, Layout, Op};
use bitlens::session::QuantizedModel;
use bitlens::tensor::Value;

use crate::support::{relative_difference, replay};

/// How far two ways of computing the same codes agree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreement {
    /// Codes compared.
    pub(crate) compared: usize,
    /// Codes that are the same.
    pub(crate) equal: usize,
    /// Largest difference of two codes.
    pub(crate) worst: u8,
    /// The tensor that has it.
    pub(crate) worst_tensor: String,
    /// Tensors compared.
    pub(crate) tensors: usize,
    /// Largest difference of the network's real outputs, relative to the largest element.
    pub(crate) outputs: f64,
}

impl Agreement {
    /// Share of codes that are the same.
    pub(crate) fn share(&self) -> f64 {
        self.equal as f64 / self.compared.max(1) as f64
    }

    fn add(&mut self, name: &str, ours: &[u8], theirs: &[u8]) {
        assert_eq!(ours.len(), theirs.len(), "{name}");
        self.tensors += 1;
        self.compared += ours.len();
        for (a, b) in ours.iter().zip(theirs) {
            self.equal += usize::from(a == b);
            if a.abs_diff(*b) > self.worst {
                (self.worst, self.worst_tensor) = (a.abs_diff(*b), name.to_owned());
            }
        }
    }
}

impl AddAssign for Agreement {
    fn add_assign(&mut self, other: Self) {
        if other.worst > self.worst {
            (self.worst, self.worst_tensor) = (other.worst, other.worst_tensor);
        }
        self.compared += other.compared;
        self.equal += other.equal;
        self.tensors = self.tensors.max(other.tensors);
        self.outputs = self.outputs.max(other.outputs);
    }
}

/// Judges each operator by itself, on the codes that the integer form made.
pub(crate) fn node_by_node(model: &QuantizedModel, inputs: &[Value]) -> Agreement {
    let (definition, integer) = (&model.definition.executor, &model.integer.executor);
    let recording = integer.record(inputs).unwrap();
    let codes = codes(integer.graph(), &recording);
    let mut found = Agreement::default();
    let table = replay(definition.graph(), inputs, &mut |node, id, made| {
        let name = &definition.graph().value(id).name;
        let is_codes = node.op.facts().kind == Kind::Quantize;
        let Some(theirs) = codes.get(name.as_str()).filter(|_| is_codes) else { return made };
        assert_eq!(made.shape(), theirs.shape(), "{name}");
        found.add(name, made.as_slice::<u8>().unwrap(), theirs.as_slice::<u8>().unwrap());
        theirs.clone()
    });
    for (a, b) in definition.graph().outputs().iter().zip(integer.graph().outputs()) {
        let real = |table: Option<&Value>, graph: &Graph, id: ValueId| {
            table.or_else(|| graph.constant(id)).unwrap().clone()
        };
        let forced = real(table[a.index()].as_ref(), definition.graph(), *a);
        let ours = real(recording.get(*b), integer.graph(), *b);
        found.outputs = found.outputs.max(relative_difference(&ours, &forced));
    }
    found
}

/// Compares every tensor of codes that both forms of the network make when each runs by itself.
pub(crate) fn whole_network(model: &QuantizedModel, inputs: &[Value]) -> Agreement {
    let (definition, integer) = (&model.definition.executor, &model.integer.executor);
    let ours = codes(integer.graph(), &integer.record(inputs).unwrap());
    let theirs = codes(definition.graph(), &definition.record(inputs).unwrap());
    let mut found = Agreement::default();
    for (name, theirs) in &theirs {
        if let Some(ours) = ours.get(name) {
            found.add(name, ours.as_slice::<u8>().unwrap(), theirs.as_slice::<u8>().unwrap());
        }
    }
    found
}

/// Every tensor of `uint8` codes that a run made, by name and in the layout of the file.
pub(crate) fn codes(graph: &Graph, recording: &Recording) -> BTreeMap<String, Value> {
    let mut layouts: BTreeMap<ValueId, Layout> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for id in graph.order().unwrap() {
        let node = graph.node(id).unwrap();
        for &output in &node.outputs {
            let Some(value) = recording.get(output).filter(|v| v.as_slice::<u8>().is_ok()) else { continue };
            // What a lowered operator reads and what it makes lie alike.
            let mut read = node.inputs.iter().flatten().filter_map(|id| layouts.get(id).copied());
            let layout = match &node.op {
                Op::QuantizeLinear(_) => Layout::Nchw,
                Op::QTranspose(transpose) => transpose.to,
                _ => read.next().unwrap_or(Layout::Nchw),
            };
            if value.rank() == 4 {
                layouts.insert(output, layout);
            }
            let value = if value.rank() == 4 && layout == Layout::Nhwc { nchw(value) } else { value.clone() };
            found.insert(graph.value(output).name.clone(), value);
        }
    }
    found
}

/// `[N, H, W, C]` → `[N, C, H, W]`.
fn nchw(value: &Value) -> Value {
    let view = value.view::<u8>().unwrap().permuted_axes(vec![0, 3, 1, 2]);
    Value::from_array(view.as_standard_layout().into_owned())
}
