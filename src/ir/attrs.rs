//! Attributes of a node as a file states them, before an operator has read them.

use crate::tensor::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// A version of the ONNX operator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opset(pub u32);

/// The value of one attribute (ONNX `AttributeProto`).
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// A number.
    Int(i64),
    /// A real number.
    Float(f32),
    /// A text.
    String(String),
    /// Numbers.
    Ints(Vec<i64>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// Texts.
    Strings(Vec<String>),
    /// A tensor.
    Tensor(Value),
}

impl Attr {
    fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::Ints(_) => "a list of integers",
            Self::Floats(_) => "a list of floats",
            Self::Strings(_) => "a list of strings",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// What can be wrong with the attributes of a node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttrError {
    /// An attribute has another type than the operator's definition says.
    #[error("attribute `{name}` should be {expected}, but is {got}")]
    Kind {
        /// Attribute.
        name: String,
        /// Type that the definition gives.
        expected: &'static str,
        /// Type in the file.
        got: &'static str,
    },
    /// An attribute that has no default is absent.
    #[error("attribute `{name}` is missing")]
    Missing {
        /// Attribute.
        name: String,
    },
    /// A value that is not allowed, or not supported here.
    #[error("attribute `{name}` = {value} is not supported: {reason}")]
    Unsupported {
        /// Attribute.
        name: String,
        /// Its value, as text.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// The operator does not know the attribute.
    #[error("attribute `{name}` is not known to this operator in opset {opset}")]
    Unknown {
        /// Attribute.
        name: String,
        /// Opset of the file.
        opset: u32,
    },
    /// The operator exists, but not in this version.
    #[error("opset {opset} of this operator is not supported: {reason}")]
    Opset {
        /// Opset of the file.
        opset: u32,
        /// Why not.
        reason: &'static str,
    },
}

macro_rules! take {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty, $kind:literal) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`AttrError::Kind`] when the attribute has another type.
        pub fn $name(&mut self, name: &str) -> Result<Option<$type>, AttrError> {
            match self.0.remove(name) {
                None => Ok(None),
                Some(Attr::$variant(value)) => Ok(Some(value)),
                Some(other) => Err(AttrError::Kind {
                    name: name.to_owned(),
                    expected: $kind,
                    got: other.kind(),
                }),
            }
        }
    };
}

/// The attributes of one node. An operator takes what it knows; what is left over is an error,
/// because an attribute that is not understood would give a silently wrong number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attrs(BTreeMap<String, Attr>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same attributes and one more.
    #[must_use]
    pub fn with(mut self, name: &str, attr: Attr) -> Self {
        self.0.insert(name.to_owned(), attr);
        self
    }

    /// Sets an attribute.
    pub fn insert(&mut self, name: &str, attr: Attr) {
        self.0.insert(name.to_owned(), attr);
    }

    /// All attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(name, attr)| (name.as_str(), attr))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an attribute of any type.
    pub fn take(&mut self, name: &str) -> Option<Attr> {
        self.0.remove(name)
    }

    take!(
        /// Takes an integer.
        take_int, Int, i64, "an integer"
    );
    take!(
        /// Takes a float.
        take_float, Float, f32, "a float"
    );
    take!(
        /// Takes a string.
        take_string, String, String, "a string"
    );
    take!(
        /// Takes a list of integers.
        take_ints, Ints, Vec<i64>, "a list of integers"
    );
    take!(
        /// Takes a tensor.
        take_tensor, Tensor, Value, "a tensor"
    );

    /// Takes an integer that stands for a truth value; `default` where it is absent.
    ///
    /// # Errors
    /// [`AttrError::Kind`] when the attribute is not an integer.
    pub fn take_bool(&mut self, name: &str, default: bool) -> Result<bool, AttrError> {
        Ok(self.take_int(name)?.map_or(default, |v| v != 0))
    }

    /// Refuses what no operator took.
    ///
    /// # Errors
    /// [`AttrError::Unknown`] with the first name left.
    pub fn finish(&self, opset: Opset) -> Result<(), AttrError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(AttrError::Unknown { name: name.clone(), opset: opset.0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_nobody_took_is_an_error() {
        let mut attrs = Attrs::new().with("axis", Attr::Int(1)).with("zoom", Attr::Float(2.0));
        assert_eq!(attrs.take_int("axis").unwrap(), Some(1));
        let error = attrs.finish(Opset(13)).unwrap_err();
        assert_eq!(error.to_string(), "attribute `zoom` is not known to this operator in opset 13");
    }

    #[test]
    fn a_wrong_type_names_both() {
        let mut attrs = Attrs::new().with("axis", Attr::Float(1.0));
        let error = attrs.take_int("axis").unwrap_err();
        assert_eq!(error.to_string(), "attribute `axis` should be an integer, but is a float");
    }
}
