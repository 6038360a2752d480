//! Pictures from folders and data sets.

use crate::args::DataArgs;
use crate::failure::{Failure, read};
use bitlens::data::labels::{self, FileLabel, LabelFile};
use bitlens::data::{Preprocess, cifar, idx};
use bitlens::session::{Network, PictureInputs, PictureSet, Role};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Endings of files in a folder that are taken for pictures.
const PICTURE_ENDINGS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];

/// Pictures ready for a network, and names of classes.
pub(crate) struct Data {
    pub(crate) set: PictureSet,
    pub(crate) preprocess: Preprocess,
    pub(crate) inputs: PictureInputs,
    /// Those to calibrate on and those to compare on, by the roles of the label file; all of them without.
    pub(crate) by_role: (PictureInputs, PictureInputs),
    pub(crate) names: Vec<String>,
    pub(crate) labels: Vec<Option<usize>>,
    pub(crate) classes: Vec<String>,
    pub(crate) label_offset: usize,
}

/// Reads the pictures that the arguments name.
pub(crate) fn load(args: &DataArgs, network: &Network) -> Result<Data, Failure> {
    let preprocess = preprocess(args, network)?;
    let classes = classes(args)?;
    let mut set = match args.data.split_once(':') {
        Some(("cifar10", file)) => cifar10(Path::new(file))?,
        Some(("idx", files)) => idx_files(files)?,
        _ => folder(args, &classes)?,
    };
    let chosen = choose(set.len(), args);
    set = set.subset(&chosen);
    let view = set.view();
    let label_offset = preprocess.label_offset;
    let shared = Arc::new(preprocess.clone());
    let inputs = |role| set.inputs(&shared, role);
    Ok(Data {
        inputs: inputs(Role::Any)?,
        by_role: (inputs(Role::Calibrate)?, inputs(Role::Evaluate)?),
        set,
        preprocess,
        names: view.iter().map(|p| p.name.clone()).collect(),
        labels: view.iter().map(|p| p.label).collect(),
        classes,
        label_offset,
    })
}

fn preprocess(args: &DataArgs, network: &Network) -> Result<Preprocess, Failure> {
    let Some(path) = &args.preprocess else {
        if let Some(stated) = network.stated_preprocess() {
            return Ok(stated);
        }
        eprintln!("note: no --preprocess; guessed from the shape of the network's input");
        return Ok(network.default_preprocess());
    };
    let (preprocess, unknown) = Preprocess::from_json(&path.to_string_lossy(), &read(path)?)?;
    for key in unknown {
        eprintln!("note: {}: `{key}` is not understood and was ignored", path.display());
    }
    Ok(preprocess)
}

fn classes(args: &DataArgs) -> Result<Vec<String>, Failure> {
    let Some(path) = &args.classes else { return Ok(Vec::new()) };
    match labels::parse(&path.to_string_lossy(), &read(path)?)? {
        LabelFile::Classes(classes) => Ok(classes),
        LabelFile::Files(_) => {
            Err(Failure::Usage(format!("{} has labels of files, not names of classes", path.display())))
        }
    }
}

fn cifar10(path: &Path) -> Result<PictureSet, Failure> {
    let mut set = PictureSet::default();
    for labelled in cifar::read(&path.to_string_lossy(), &read(path)?, None)? {
        set.push(labelled.picture, labelled.label, Role::Any);
    }
    Ok(set)
}

fn idx_files(files: &str) -> Result<PictureSet, Failure> {
    let (images, labels) = files.split_once(',').map_or((files, None), |(i, l)| (i, Some(l)));
    let label_bytes = labels.map(|l| read(Path::new(l))).transpose()?;
    let image_bytes = read(Path::new(images))?;
    let labels = labels.zip(label_bytes.as_deref());
    let mut set = PictureSet::default();
    for labelled in idx::read((images, &image_bytes), labels, None)? {
        set.push(labelled.picture, labelled.label, Role::Any);
    }
    Ok(set)
}

/// Pictures of a folder in the order of their names, or of the label file.
fn folder(args: &DataArgs, classes: &[String]) -> Result<PictureSet, Failure> {
    let root = PathBuf::from(&args.data);
    let mut files = if root.is_dir() { picture_files(&root)? } else { vec![root.clone()] };
    files.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let labels = file_labels(args)?;
    if let Some(labels) = &labels {
        let by_name: BTreeMap<&str, usize> =
            labels.iter().enumerate().map(|(i, l)| (l.file.as_str(), i)).collect();
        files.retain(|path| by_name.contains_key(name(path).as_str()));
        files.sort_by_key(|path| by_name.get(name(path).as_str()).copied());
    }
    let mut set = PictureSet::default();
    for path in &files {
        let shown = if path == &root { path.to_string_lossy().into_owned() } else { name(path) };
        set.add(&shown, read(path)?)?;
    }
    if let Some(labels) = labels {
        set.label(&labels, classes);
    }
    Ok(set)
}

fn file_labels(args: &DataArgs) -> Result<Option<Vec<FileLabel>>, Failure> {
    let Some(path) = &args.labels else {
        return match &args.role {
            Some(_) => {
                Err(Failure::Usage("--role needs --labels, which says the role of each picture".to_owned()))
            }
            None => Ok(None),
        };
    };
    let file = path.to_string_lossy();
    match labels::parse(&file, &read(path)?)? {
        LabelFile::Files(files) => Ok(Some(labels::with_role(&file, files, args.role.as_deref())?)),
        LabelFile::Classes(_) => Err(Failure::Usage(format!(
            "{file} has names of classes, not labels of files: give it as --classes"
        ))),
    }
}

fn picture_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| Failure::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if path.is_dir() {
            found.extend(picture_files(&path)?);
        } else if ending.is_some_and(|e| PICTURE_ENDINGS.contains(&e.as_str())) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Numbers of the pictures to use.
fn choose(count: usize, args: &DataArgs) -> Vec<usize> {
    let mut all: Vec<usize> = (args.skip.min(count)..count).collect();
    if let Some(seed) = args.seed {
        // Fisher–Yates with SplitMix64: the same seed draws the same pictures on every machine.
        let mut state = seed;
        for last in (1..all.len()).rev() {
            let pick = (split_mix(&mut state) % (last as u64 + 1)) as usize;
            all.swap(last, pick);
        }
    }
    all.truncate(args.limit.unwrap_or(usize::MAX));
    all
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
