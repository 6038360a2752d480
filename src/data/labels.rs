//! Names of classes, and which file shows which class.
//!
//! Both come as small text files in several customary forms, told apart by content:
//!
//! | form | meaning |
//! |---|---|
//! | `.txt` | a class name a line, in index order; a leading WordNet id (`n01440764 `) is dropped |
//! | `["tench", …]` | class names in index order |
//! | `{"0": "tench", …}`, `{"0": ["n01440764", "tench"], …}` | class name by index |
//! | `{…, "id2label": {…}}` | a Hugging Face `config.json` |
//! | `[{"file": …, "label": …, "role": …}, …]` | a label (and a role such as `eval`) for each file |
//! | `{"cat.jpg": 281, …}` | a label for each file |
//! | `.csv` | `file,label` and perhaps `role`, with or without a heading |
//!
//! A label is an index, or a class name, which [`FileLabel::index`] looks up.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::DataError;

/// Largest class index: no published classifier comes near, and an index is also a length to allocate.
const MAX_CLASS: usize = 1_000_000;

/// What a label file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelFile {
    /// Names of the classes; the position is the class index. An index that the file leaves out has an empty name.
    Classes(Vec<String>),
    /// Labels of files, in the order of the file.
    Files(Vec<FileLabel>),
}

/// One file and the class that it shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileLabel {
    /// Name of the file, as the label file spells it.
    pub file: String,
    /// Its class.
    pub label: Label,
    /// What the file is for, such as `eval` or `calib`.
    #[serde(default)]
    pub role: Option<String>,
}

/// A class by index or by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Index in the data set's numbering.
    Index(usize),
    /// Name, to be looked up among the classes.
    Name(String),
}

impl FileLabel {
    /// The class index; a name is looked up in `classes`. `None` for a name that is not there.
    pub fn index(&self, classes: &[String]) -> Option<usize> {
        match &self.label {
            Label::Index(index) => Some(*index),
            Label::Name(name) => classes.iter().position(|class| class == name),
        }
    }
}

/// Keeps the files of `role`; all for `None`.
///
/// # Errors
/// [`DataError::Malformed`] naming the roles that there are, when no file has this one.
pub fn with_role(
    file: &str,
    labels: Vec<FileLabel>,
    role: Option<&str>,
) -> Result<Vec<FileLabel>, DataError> {
    let Some(role) = role else { return Ok(labels) };
    let mut roles = BTreeSet::new();
    roles.extend(labels.iter().filter_map(|l| l.role.clone()));
    if !roles.contains(role) {
        let known = roles.into_iter().collect::<Vec<_>>().join(", ");
        let known =
            if known.is_empty() { "it has no roles".into() } else { format!("its roles are {known}") };
        return Err(malformed(file, format!("no picture has the role `{role}`; {known}")));
    }
    Ok(labels.into_iter().filter(|l| l.role.as_deref() == Some(role)).collect())
}

/// Reads a label file of any of the forms above. `file` names it, and its ending tells text, CSV and JSON apart.
///
/// # Errors
/// [`DataError::Malformed`] naming the file, the place and the forms that are read.
pub fn parse(file: &str, bytes: &[u8]) -> Result<LabelFile, DataError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| malformed(file, format!("it is not UTF-8 text (byte {})", e.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let parsed = match ending.as_deref() {
        Some("txt") => LabelFile::Classes(text.lines().map(|line| class_name(line).to_owned()).collect()),
        Some("csv") => LabelFile::Files(parse_csv(file, text)?),
        _ => parse_json(file, text)?,
    };
    let is_empty = match &parsed {
        LabelFile::Classes(names) => names.is_empty(),
        LabelFile::Files(files) => files.is_empty(),
    };
    if is_empty { Err(malformed(file, "it has no labels".into())) } else { Ok(parsed) }
}

/// A line of a class list without its WordNet id.
fn class_name(line: &str) -> &str {
    let line = line.trim();
    match line.split_once(' ') {
        Some((id, name)) if is_wordnet_id(id) => name.trim_start(),
        _ => line,
    }
}

fn is_wordnet_id(word: &str) -> bool {
    word.strip_prefix('n')
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn parse_json(file: &str, text: &str) -> Result<LabelFile, DataError> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| malformed(file, format!("its JSON is broken: {e}")))?;
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| file_label(file, &format!("entry {index}"), item))
            .collect::<Result<_, _>>()
            .map(LabelFile::Files),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                name_of(item)
                    .ok_or_else(|| malformed(file, format!("entry {index} is {item}; expected a class name")))
            })
            .collect::<Result<_, _>>()
            .map(LabelFile::Classes),
        Value::Object(mut map) => match map.remove("id2label") {
            Some(Value::Object(map)) => classes_by_index(file, map),
            _ if map.keys().all(|key| key.parse::<usize>().is_ok()) => classes_by_index(file, map),
            _ => map
                .into_iter()
                .map(|(name, label)| {
                    file_label(
                        file,
                        &format!("`{name}`"),
                        serde_json::json!({ "file": name, "label": label }),
                    )
                })
                .collect::<Result<_, _>>()
                .map(LabelFile::Files),
        },
        _ => Err(malformed(file, "expected a list or an object of labels".into())),
    }
}

fn file_label(file: &str, place: &str, item: Value) -> Result<FileLabel, DataError> {
    let label: FileLabel = serde_json::from_value(item).map_err(|e| {
        malformed(
            file,
            format!("{place}: {e}; expected {{\"file\": \"name\", \"label\": index or class name}}"),
        )
    })?;
    check_index(file, place, &label.label)?;
    Ok(label)
}

fn classes_by_index(file: &str, map: serde_json::Map<String, Value>) -> Result<LabelFile, DataError> {
    let mut by_index = BTreeMap::new();
    for (key, value) in map {
        let name = name_of(&value)
            .ok_or_else(|| malformed(file, format!("class {key} is {value}; expected a name")))?;
        let index =
            key.parse::<usize>().map_err(|_| malformed(file, format!("`{key}` is no class index")))?;
        check_index(file, "a class", &Label::Index(index))?;
        by_index.insert(index, name);
    }
    let length = by_index.keys().next_back().map_or(0, |last| last + 1);
    Ok(LabelFile::Classes((0..length).map(|index| by_index.remove(&index).unwrap_or_default()).collect()))
}

/// A name, or the last of `["n01440764", "tench"]`.
fn name_of(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(class_name(name).to_owned()),
        Value::Array(parts) => parts.last().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

fn check_index(file: &str, place: &str, label: &Label) -> Result<(), DataError> {
    match label {
        Label::Index(index) if *index > MAX_CLASS => {
            Err(malformed(file, format!("{place} has the class index {index}; the largest is {MAX_CLASS}")))
        }
        _ => Ok(()),
    }
}

fn parse_csv(file: &str, text: &str) -> Result<Vec<FileLabel>, DataError> {
    let mut labels = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields = csv_fields(line);
        let [name, label, rest @ ..] = fields.as_slice() else {
            return Err(malformed(file, format!("line {}: expected `file,label`", number + 1)));
        };
        let is_heading = number == 0 && label.eq_ignore_ascii_case("label");
        if is_heading {
            continue;
        }
        let label = label.parse().map_or_else(|_| Label::Name(label.clone()), Label::Index);
        check_index(file, &format!("line {}", number + 1), &label)?;
        let role = rest.first().filter(|role| !role.is_empty()).cloned();
        labels.push(FileLabel { file: name.clone(), label, role });
    }
    Ok(labels)
}

/// The fields of one line; a field may stand in quotes, with `""` for a quote. A field does not span lines.
fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', true) if characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut fields, '"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => fields.push(String::new()),
            (other, _) => push(&mut fields, other),
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}

fn push(fields: &mut [String], character: char) {
    if let Some(last) = fields.last_mut() {
        last.push(character);
    }
}

fn malformed(file: &str, reason: String) -> DataError {
    DataError::Malformed { file: file.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(file: &str, text: &str) -> Vec<String> {
        match parse(file, text.as_bytes()).unwrap() {
            LabelFile::Classes(names) => names,
            LabelFile::Files(files) => panic!("{files:?}"),
        }
    }

    fn files(file: &str, text: &str) -> Vec<FileLabel> {
        match parse(file, text.as_bytes()).unwrap() {
            LabelFile::Files(files) => files,
            LabelFile::Classes(names) => panic!("{names:?}"),
        }
    }

    fn label(file: &str, label: Label, role: Option<&str>) -> FileLabel {
        FileLabel { file: file.into(), label, role: role.map(str::to_owned) }
    }

    #[test]
    fn every_form_of_class_names_reads_the_same() {
        let expected = ["tench, Tinca tinca", "cat"];
        assert_eq!(classes("a.json", r#"["tench, Tinca tinca", "cat"]"#), expected);
        assert_eq!(classes("a.json", r#"{"1": "cat", "0": "tench, Tinca tinca"}"#), expected);
        assert_eq!(
            classes("a.json", r#"{"0": ["n01440764", "tench, Tinca tinca"], "1": ["n0", "cat"]}"#),
            expected
        );
        assert_eq!(
            classes(
                "config.json",
                r#"{"model_type": "vit", "id2label": {"0": "tench, Tinca tinca", "1": "cat"}}"#
            ),
            expected
        );
        assert_eq!(classes("a.txt", "n01440764 tench, Tinca tinca\r\ncat\n"), expected);
        assert_eq!(classes("A.TXT", "\u{feff}tench, Tinca tinca\ncat"), expected);
    }

    #[test]
    fn a_gap_in_the_indices_keeps_the_others_in_place() {
        assert_eq!(classes("a.json", r#"{"3": "d", "0": "a"}"#), ["a", "", "", "d"]);
    }

    #[test]
    fn a_first_word_is_dropped_only_when_it_is_a_wordnet_id() {
        assert_eq!(
            classes("a.txt", "n0144076 x\nnew york\nn01440764"),
            ["n0144076 x", "new york", "n01440764"]
        );
    }

    #[test]
    fn every_form_of_file_labels_reads_the_same() {
        let expected =
            [label("a.jpg", Label::Index(3), None), label("b.jpg", Label::Name("cat".into()), None)];
        assert_eq!(
            files(
                "l.json",
                r#"[{"file": "a.jpg", "label": 3, "wnid": "n1"}, {"file": "b.jpg", "label": "cat"}]"#
            ),
            expected
        );
        assert_eq!(files("l.json", r#"{"a.jpg": 3, "b.jpg": "cat"}"#), expected);
        assert_eq!(files("l.csv", "file,label\na.jpg, 3\r\n\n\"b.jpg\",cat\n"), expected);
        assert_eq!(files("l.csv", "a.jpg,3\nb.jpg,cat"), expected);
    }

    #[test]
    fn csv_fields_may_be_quoted() {
        assert_eq!(csv_fields(r#""a, ""b"".jpg",3,"#), [r#"a, "b".jpg"#, "3", ""]);
        assert_eq!(
            files("l.csv", "x.png,\"tench, fish\",eval"),
            [label("x.png", Label::Name("tench, fish".into()), Some("eval"))]
        );
    }

    #[test]
    fn a_role_filters_and_an_unknown_role_names_those_there_are() {
        let all = vec![
            label("a", Label::Index(0), Some("eval")),
            label("b", Label::Index(1), Some("calib")),
            label("c", Label::Index(2), None),
        ];
        assert_eq!(with_role("l.json", all.clone(), None).unwrap().len(), 3);
        assert_eq!(with_role("l.json", all.clone(), Some("calib")).unwrap(), all[1..2]);
        let message = with_role("l.json", all.clone(), Some("test")).unwrap_err().to_string();
        assert!(message.contains("`test`") && message.contains("calib, eval"), "{message}");
        assert!(with_role("l.json", all[2..].to_vec(), Some("eval")).is_err());
    }

    #[test]
    fn names_are_looked_up_among_the_classes() {
        let names = ["dog".to_owned(), "cat".to_owned()];
        assert_eq!(label("a", Label::Name("cat".into()), None).index(&names), Some(1));
        assert_eq!(label("a", Label::Name("cow".into()), None).index(&names), None);
        assert_eq!(label("a", Label::Index(7), None).index(&names), Some(7));
    }

    #[test]
    fn broken_files_are_refused_with_name_and_place() {
        for (file, text, part) in [
            ("l.json", "[", "JSON is broken"),
            ("l.json", "3", "expected a list or an object"),
            ("l.json", "[]", "no labels"),
            ("l.txt", "", "no labels"),
            ("l.csv", "file,label\n", "no labels"),
            ("l.csv", "a.jpg,1\nb.jpg\n", "line 2"),
            ("l.json", r#"["a", 3]"#, "entry 1"),
            ("l.json", r#"[{"file": "a", "label": 1}, {"file": "b"}]"#, "entry 1"),
            ("l.json", r#"[{"file": "a", "label": -1}]"#, "entry 0"),
            ("l.json", r#"{"a.jpg": [1]}"#, "`a.jpg`"),
            ("l.json", r#"{"0": 7}"#, "class 0"),
            ("config.json", r#"{"id2label": {"x": "a"}}"#, "no class index"),
            ("l.json", r#"{"999999999999": "a"}"#, "largest"),
            ("l.csv", "a.jpg,999999999999", "line 1"),
        ] {
            let message = parse(file, text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(&format!("`{file}`")) && message.contains(part), "{text}: {message}");
        }
        let message = parse("l.txt", &[b'a', 0xFF]).unwrap_err().to_string();
        assert!(message.contains("UTF-8 text (byte 1)"), "{message}");
    }
}
