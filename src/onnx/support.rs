//! [`Support`]: what a network asks for and what of it Bitlens has, for a network that cannot be read
//! as a whole. Everything that stands in the way is found at once, and what does not depend on it is
//! counted.

use super::ImportError;
use super::nodes::FileNode;
use crate::ir::NameMap;

/// An operator as a network uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorSupport {
    /// Its name, with the domain in front unless it is ONNX's own.
    pub op_type: String,
    /// Nodes that use it.
    pub nodes: usize,
    /// Those among them that cannot be read, in the order of the file.
    pub refused: Vec<RefusedNode>,
}

/// A node that cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedNode {
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: ImportError,
}

/// What a network asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// Its operators, in the order of their first use; functions of the file are written out.
    pub operators: Vec<OperatorSupport>,
    /// Its nodes.
    pub nodes: usize,
    /// Nodes that can be read and need no result of one that cannot.
    pub computable: usize,
}

impl Support {
    /// Of a network, whose nodes at these positions cannot be read.
    pub(super) fn new(nodes: &[FileNode], refused: Vec<(usize, ImportError)>) -> Self {
        let computable = count_computable(nodes, refused.iter().map(|&(node, _)| node));
        let mut operators: Vec<OperatorSupport> = Vec::new();
        let mut places = NameMap::new();
        for node in nodes {
            let place = *places.get_or_insert_with(&node.op_type, || operators.len());
            match operators.get_mut(place) {
                Some(operator) => operator.nodes += 1,
                None => operators.push(OperatorSupport {
                    op_type: node.op_type.clone(),
                    nodes: 1,
                    refused: Vec::new(),
                }),
            }
        }
        for (index, reason) in refused {
            let Some(node) = nodes.get(index) else { continue };
            let operator = places.get(&node.op_type).and_then(|&place| operators.get_mut(place));
            if let Some(operator) = operator {
                operator.refused.push(RefusedNode { node: node.name.clone(), reason });
            }
        }
        Self { operators, nodes: nodes.len(), computable }
    }
}

/// How many nodes are neither refused nor behind one that is.
fn count_computable(nodes: &[FileNode], refused: impl Iterator<Item = usize>) -> usize {
    let mut readers = NameMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for input in node.proto.input.iter().filter(|name| !name.is_empty()) {
            readers.get_or_insert_with(input, Vec::new).push(index);
        }
    }
    let mut lost = vec![false; nodes.len()];
    let mut waiting: Vec<usize> = refused.collect();
    while let Some(index) = waiting.pop() {
        let Some(node) = nodes.get(index).filter(|_| !std::mem::replace(&mut lost[index], true)) else {
            continue;
        };
        for output in &node.proto.output {
            waiting.extend(readers.get(output).into_iter().flatten());
        }
    }
    lost.iter().filter(|&&lost| !lost).count()
}
