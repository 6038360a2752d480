//! The definition of a quantized network, node by node, on the codes that its integer form made.
//!
//! The definition (QuantizeLinear and DequantizeLinear in float) and the integer form round at
//! different places, and where a sum lies near the middle of two codes they may take different
//! ones. In a whole network such differences feed others. Here every QuantizeLinear of the
//! definition is computed, compared with the integer form's codes, and then replaced by them, so
//! that each operator is judged on inputs that are the same for both.

use std::ops::AddAssign;

use bitlens::ir::ValueId;
use bitlens::ops::{Graph, Kind, Op};
use bitlens::session::{QuantizedModel, codes};
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
    let definition = model.definition().unwrap();
    let (definition, integer) = (&definition.executor, &model.integer.executor);
    let recording = integer.record(inputs).unwrap();
    let codes = codes(integer.graph(), &recording);
    let mut found = Agreement::default();
    let table = replay(definition.graph(), inputs, &mut |node, id, made| {
        let name = &definition.graph().value(id).name;
        let is_dynamic = matches!(node.op, Op::DynamicQuantizeLinear(_));
        let is_codes = is_dynamic || node.op.facts().kind == Kind::Quantize;
        if is_dynamic && made.as_slice::<f32>().is_ok() {
            // The scale is of numbers that differ in their last bits.
            let theirs = integer.graph().find_value(name).and_then(|id| recording.get(id)).unwrap();
            found.outputs = found.outputs.max(relative_difference(theirs, &made));
            return theirs.clone();
        }
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
    let definition = model.definition().unwrap();
    let (definition, integer) = (&definition.executor, &model.integer.executor);
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
