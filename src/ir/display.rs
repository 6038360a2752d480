//! A graph as text, a line per node, for snapshots and debugging.

use super::{Graph, Operation, ValueId};
use std::fmt;

impl<O: Operation> fmt::Display for Graph<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |id: ValueId| {
            let value = self.value(id);
            match &value.ty {
                Some(ty) => format!("{}: {ty}", value.name),
                None => value.name.clone(),
            }
        };
        let list = |ids: &[ValueId]| ids.iter().map(|&id| name(id)).collect::<Vec<_>>().join(", ");
        writeln!(f, "graph {} ({})", self.name(), list(self.inputs()))?;
        for id in self.order().map_err(|_| fmt::Error)? {
            let Some(node) = self.node(id) else { continue };
            let inputs: Vec<&str> = node
                .inputs
                .iter()
                .map(|input| input.map_or("-", |id| self.value(id).name.as_str()))
                .collect();
            let op = node.op.op_type();
            writeln!(f, "  {} = {op}({})  # {}", list(&node.outputs), inputs.join(", "), node.name)?;
        }
        writeln!(f, "  -> {}", list(self.outputs()))
    }
}
