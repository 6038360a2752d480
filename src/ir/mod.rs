//! The graph: nodes in single-assignment form over named, typed values.
//!
//! A [`Graph`] is generic over its operations, so that it knows nothing of what they compute; the
//! closed set of operators is `ops::Op`, and `ops::Graph` names the combination that the rest of
//! the crate uses.
//!
//! Two rules keep it simple. A value has one producer: a node, a constant or the outside. And a
//! [`GraphPatch`] is the only way to change a graph: [`Graph::apply`] checks the result and leaves
//! the old graph untouched, so undoing is keeping the old one.

mod attrs;
mod display;
mod graph;
mod name_map;
mod patch;
mod value_map;
mod verify;

pub use attrs::{Attr, AttrError, Attrs, Opset};
pub use graph::{Graph, GraphBuilder, Node, NodeId, Operation, ValueData, ValueId};
pub use name_map::NameMap;
pub use patch::GraphPatch;
pub use value_map::ValueMap;
pub use verify::GraphError;
