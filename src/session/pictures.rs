//! The pictures of a session: kept as their files' bytes, decoded when they are needed.

use super::SessionError;
use super::view::PictureView;
use crate::data::{self, DataError, Picture, Preprocess, cifar, idx, labels::FileLabel};
use crate::exec::ExecError;
use crate::tensor::Value;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// What a picture is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ranges are measured on it.
    Calibrate,
    /// The networks are compared on it.
    Evaluate,
    /// Both.
    Any,
}

#[derive(Debug, Clone)]
enum Source {
    /// A picture file.
    File(Arc<[u8]>),
    /// A picture of a data set, which is small.
    Decoded(Arc<Picture>),
}

#[derive(Debug, Clone)]
struct Item {
    name: String,
    width: u32,
    height: u32,
    source: Source,
    label: Option<usize>,
    role: Role,
}

/// All pictures, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct PictureSet {
    items: Arc<Vec<Item>>,
}

impl PictureSet {
    /// Adds a picture file, a CIFAR-10 binary or an idx file (plain or gzip), by its content and name.
    /// An idx file of labels labels pictures that are there already.
    ///
    /// # Errors
    /// Names the file and says what to do.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), DataError> {
        if idx::is_labels(&bytes) {
            return self.label_idx(name, &bytes);
        }
        let ending = file_name(name);
        let added = if ending.rsplit('.').next() == Some("bin") {
            data_set(cifar::read(name, &bytes, None)?)
        } else if is_idx(name) {
            data_set(idx::read((name, &bytes), None, None)?)
        } else {
            let picture = data::decode(name, &bytes, data::ExifOrientation::Ignore)?;
            let (width, height) = (picture.width(), picture.height());
            let source = Source::File(bytes.into());
            vec![Item { name: name.to_owned(), width, height, source, label: None, role: Role::Any }]
        };
        Arc::make_mut(&mut self.items).extend(added);
        Ok(())
    }

    /// Gives the labels of an idx file to the idx pictures that it belongs to: those with the
    /// matching name, or the only ones of this number without labels.
    ///
    /// # Errors
    /// When the file is no label file, or there are no pictures that it belongs to.
    fn label_idx(&mut self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let labels = idx::read_labels(name, bytes)?;
        let refuse = |reason: String| Err(DataError::Malformed { file: name.to_owned(), reason });
        let sets = self.idx_sets();
        let fits = |range: &Range<usize>| {
            range.len() == labels.len() && self.items[range.clone()].iter().all(|item| item.label.is_none())
        };
        let named = sets.iter().find(|(images, _)| idx::names_match(images, name));
        let fitting: Vec<_> = sets.iter().filter(|(_, range)| fits(range)).collect();
        let only = if let [only] = fitting[..] { Some(only) } else { None };
        let Some((_, range)) = named.or(only) else {
            let reason = "it holds labels of pictures that are not here; drop it together with its pictures \
                          (…-images-idx3-ubyte)";
            return refuse(reason.to_owned());
        };
        if range.len() != labels.len() {
            let (pictures, labels) = (range.len(), labels.len());
            return refuse(format!(
                "it has {labels} labels where its pictures are {pictures}; give two files that belong together"
            ));
        }
        for (item, label) in Arc::make_mut(&mut self.items)[range.clone()].iter_mut().zip(labels) {
            item.label = Some(usize::from(label));
        }
        Ok(())
    }

    /// The idx files that pictures came from, and which pictures are theirs.
    fn idx_sets(&self) -> Vec<(String, Range<usize>)> {
        let mut sets: Vec<(String, Range<usize>)> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let (file, number) = item.name.rsplit_once('#').unwrap_or_default();
            if !is_idx(file) || !matches!(item.source, Source::Decoded(_)) {
                continue;
            }
            match sets.last_mut().filter(|_| number != "0") {
                Some((_, range)) => range.end = index + 1,
                None => sets.push((file.to_owned(), index..index + 1)),
            }
        }
        sets
    }

    /// Adds a decoded picture.
    pub fn push(&mut self, picture: Picture, label: Option<usize>, role: Role) {
        let (name, width, height) = (picture.name().to_owned(), picture.width(), picture.height());
        let source = Source::Decoded(Arc::new(picture));
        Arc::make_mut(&mut self.items).push(Item { name, width, height, source, label, role });
    }

    /// Gives labels and roles to the pictures of those files.
    pub fn label(&mut self, files: &[FileLabel], classes: &[String]) {
        for item in Arc::make_mut(&mut self.items) {
            let same = |f: &&FileLabel| item.name == f.file || item.name.ends_with(&format!("/{}", f.file));
            if let Some(file) = files.iter().find(same) {
                item.label = file.index(classes);
                item.role = match file.role.as_deref() {
                    Some("calib" | "calibration") => Role::Calibrate,
                    Some("eval" | "evaluation" | "test") => Role::Evaluate,
                    _ => Role::Any,
                };
            }
        }
    }

    /// The pictures of those numbers, in that order; numbers that do not exist are left out.
    #[must_use]
    pub fn subset(&self, numbers: &[usize]) -> Self {
        let items = numbers.iter().filter_map(|&number| self.items.get(number).cloned()).collect();
        Self { items: Arc::new(items) }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The list as the page shows it.
    pub fn view(&self) -> Vec<PictureView> {
        let role = |role| match role {
            Role::Calibrate => "calib",
            Role::Evaluate => "eval",
            Role::Any => "both",
        };
        let view = |(index, item): (usize, &Item)| PictureView {
            index,
            name: item.name.clone(),
            width: item.width,
            height: item.height,
            label: item.label,
            role: role(item.role).to_owned(),
        };
        self.items.iter().enumerate().map(view).collect()
    }

    /// The inputs that pictures of a role make. Where no picture has the role, all serve.
    ///
    /// # Errors
    /// [`SessionError::NoPictures`].
    pub fn inputs(&self, preprocess: &Arc<Preprocess>, role: Role) -> Result<PictureInputs, SessionError> {
        let fits =
            |item: &&(usize, &Item)| role == Role::Any || item.1.role == role || item.1.role == Role::Any;
        let all: Vec<(usize, &Item)> = self.items.iter().enumerate().collect();
        let mut chosen: Vec<usize> = all.iter().filter(fits).map(|(index, _)| *index).collect();
        if chosen.is_empty() {
            chosen = (0..self.len()).collect();
        }
        if chosen.is_empty() {
            let purpose = if role == Role::Calibrate { "calibrate on" } else { "look at" };
            return Err(SessionError::NoPictures { purpose });
        }
        Ok(PictureInputs { items: Arc::clone(&self.items), preprocess: Arc::clone(preprocess), chosen })
    }

    /// As [`PictureSet::inputs`], for preprocessing that is not shared.
    ///
    /// # Errors
    /// [`SessionError::NoPictures`].
    pub fn inputs_of(&self, preprocess: &Preprocess, role: Role) -> Result<PictureInputs, SessionError> {
        self.inputs(&Arc::new(preprocess.clone()), role)
    }

    /// A picture as the network sees it.
    ///
    /// # Errors
    /// When it does not exist or does not fit the preprocessing.
    pub fn seen(&self, index: usize, preprocess: &Preprocess) -> Result<Picture, SessionError> {
        let count = self.len();
        let item = self.items.get(index).ok_or(SessionError::NoSuchPicture { index, count })?;
        Ok(preprocess.apply(&*item.decoded()?)?.seen)
    }
}

/// The last part of a path, in small letters.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase()
}

fn is_idx(name: &str) -> bool {
    file_name(name).contains("idx")
}

fn data_set(pictures: Vec<data::LabelledPicture>) -> Vec<Item> {
    let item = |p: data::LabelledPicture| Item {
        name: p.picture.name().to_owned(),
        width: p.picture.width(),
        height: p.picture.height(),
        label: p.label,
        source: Source::Decoded(Arc::new(p.picture)),
        role: Role::Any,
    };
    pictures.into_iter().map(item).collect()
}

impl Item {
    fn decoded(&self) -> Result<Arc<Picture>, DataError> {
        match &self.source {
            Source::Decoded(picture) => Ok(Arc::clone(picture)),
            Source::File(bytes) => {
                Ok(Arc::new(data::decode(&self.name, bytes, data::ExifOrientation::Ignore)?))
            }
        }
    }
}

/// A part of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Share {
    /// Which part, from 0.
    pub part: usize,
    /// How many parts there are.
    pub of: usize,
}

/// Pictures as inputs of a network, prepared one at a time.
#[derive(Debug, Clone)]
pub struct PictureInputs {
    items: Arc<Vec<Item>>,
    preprocess: Arc<Preprocess>,
    chosen: Vec<usize>,
}

/// One picture as the input of a network.
#[derive(Debug, Clone)]
pub struct PictureInput {
    /// Number of the picture in the session.
    pub picture: usize,
    /// `[1, C, H, W]`, or `[1, H, W, C]`.
    pub value: Value,
    /// The network's output that is right, with the label offset added.
    pub expected: Option<usize>,
    /// Added to a label to get an output of the network.
    pub label_offset: usize,
}

impl PictureInputs {
    /// No picture, for what needs none but states what would be done to them.
    pub fn none(preprocess: Preprocess) -> Self {
        Self { items: Arc::default(), preprocess: Arc::new(preprocess), chosen: Vec::new() }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// What is done to them.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// One of the parts into which several engines divide these pictures between them: every so many-th.
    ///
    /// # Errors
    /// [`SessionError::NoSuchShare`].
    pub fn share(mut self, share: Share) -> Result<Self, SessionError> {
        let Share { part, of } = share;
        if part >= of {
            return Err(SessionError::NoSuchShare { part, of });
        }
        self.chosen = self.chosen.into_iter().skip(part).step_by(of).collect();
        Ok(self)
    }

    /// The first of these pictures, at most so many.
    #[must_use]
    pub fn limited(mut self, most: usize) -> Self {
        self.chosen.truncate(most);
        self
    }

    /// Number, in the session, of the picture at a position of this list.
    pub fn number(&self, position: usize) -> Option<usize> {
        self.chosen.get(position).copied()
    }

    /// Prepares the picture at a position of this list.
    ///
    /// # Errors
    /// When it does not fit the preprocessing.
    pub fn get(&self, position: usize) -> Result<PictureInput, SessionError> {
        let count = self.chosen.len();
        self.get_picture(self.number(position).ok_or(SessionError::NoSuchPicture { index: position, count })?)
    }

    /// Prepares the picture of that number.
    ///
    /// # Errors
    /// When it does not exist or does not fit the preprocessing.
    pub fn get_picture(&self, picture: usize) -> Result<PictureInput, SessionError> {
        let count = self.items.len();
        let item = self.items.get(picture).ok_or(SessionError::NoSuchPicture { index: picture, count })?;
        let prepared = self.preprocess.apply(&*item.decoded()?)?;
        let [a, b, c] = prepared.shape;
        let value = Value::from_vec(&[1, a, b, c], prepared.data).map_err(ExecError::from)?;
        let label_offset = self.preprocess.label_offset;
        let expected = item.label.map(|label| label + label_offset);
        Ok(PictureInput { picture, value, expected, label_offset })
    }
}
