//! The JSON form of [`Preprocess`]: Hugging Face's `preprocessor_config.json` and our three keys.
//!
//! Reading is lenient about what is absent or unknown (reported, not refused) and strict about what is there.
//! Writing gives every key, so that the file needs no knowledge of defaults.

#![allow(clippy::float_cmp, reason = "a step is switched off by exactly 0 or 1")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DataError;
use super::preprocess::{ChannelOrder, Crop, Layout, MAX_INPUT_SIDE, Preprocess, Resample, Resize};

/// Stands for the file where there is none, as in a recipe.
const UNNAMED: &str = "preprocessing";

/// Value of `crop_size` for a crop that comes before the resize.
const SQUARE_BEFORE_RESIZE: &str = "largest_centre_square_before_resize";

/// Keys that describe the file itself, or what is always done here.
const WITHOUT_EFFECT: [&str; 5] = [
    "feature_extractor_type",
    "image_processor_type",
    "processor_class",
    "_valid_processor_keys",
    "do_convert_rgb",
];

/// The keys as they stand in the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PreprocessFile {
    do_resize: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<Value>,
    resample: Option<u8>,
    do_center_crop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crop_size: Option<Value>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<OneOrMany>,
    image_std: Option<OneOrMany>,
    channel_order: Option<ChannelOrder>,
    layout: Option<Layout>,
    label_offset: Option<usize>,
    #[serde(flatten, skip_serializing)]
    other: BTreeMap<String, Value>,
}

/// `image_mean: 0.5` and `image_mean: [0.5, 0.5, 0.5]` are both in use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(f64),
    Many(Vec<f64>),
}

impl OneOrMany {
    fn values(&self) -> &[f64] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// See [`Preprocess::from_json`].
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<(Preprocess, Vec<String>), DataError> {
    let parsed: PreprocessFile = serde_json::from_slice(bytes).map_err(|e| DataError::Malformed {
        file: file.into(),
        reason: format!("{e}; it should be a preprocessor_config.json"),
    })?;
    let preprocess = Reader { file, keys: &parsed }.preprocess()?;
    let unknown = parsed.other.into_keys().filter(|key| !WITHOUT_EFFECT.contains(&key.as_str())).collect();
    Ok((preprocess, unknown))
}

impl TryFrom<PreprocessFile> for Preprocess {
    type Error = DataError;

    fn try_from(keys: PreprocessFile) -> Result<Self, DataError> {
        Reader { file: UNNAMED, keys: &keys }.preprocess()
    }
}

/// Checks the keys and turns them into settings.
struct Reader<'a> {
    file: &'a str,
    keys: &'a PreprocessFile,
}

impl Reader<'_> {
    fn preprocess(&self) -> Result<Preprocess, DataError> {
        let keys = self.keys;
        let channel_order = keys.channel_order.unwrap_or_default();
        let (mean, std) = self.mean_and_std(channel_order.channels())?;
        Ok(Preprocess {
            resize: self.resize()?,
            resample: self.resample()?,
            crop: self.crop()?,
            rescale_factor: self.rescale_factor()?,
            mean,
            std,
            channel_order,
            layout: keys.layout.unwrap_or_default(),
            label_offset: keys.label_offset.unwrap_or(0),
        })
    }

    fn bad<T>(&self, key: &'static str, reason: impl Into<String>) -> Result<T, DataError> {
        Err(DataError::BadSetting { file: self.file.into(), key, reason: reason.into() })
    }

    fn crops(&self) -> bool {
        self.keys.do_center_crop.unwrap_or(self.keys.crop_size.is_some())
    }

    fn resize(&self) -> Result<Option<Resize>, DataError> {
        if !self.keys.do_resize.unwrap_or(self.keys.size.is_some()) {
            return Ok(None);
        }
        let Some(size) = &self.keys.size else {
            return self.bad("size", "is missing although `do_resize` is true; add {\"shortest_edge\": 256}, or set `do_resize` to false");
        };
        if size.is_number() {
            let side = self.side("size", size)?;
            let whole = Resize::Exact { height: side, width: side };
            return Ok(Some(if self.crops() { Resize::ShortestEdge(side) } else { whole }));
        }
        if size.get("longest_edge").is_some() {
            return self.bad(
                "size",
                "has a `longest_edge`, which is not supported; give `shortest_edge`, or `height` and `width`",
            );
        }
        if let Some(edge) = size.get("shortest_edge") {
            return Ok(Some(Resize::ShortestEdge(self.side("size", edge)?)));
        }
        let (height, width) = self.height_and_width("size", size)?;
        Ok(Some(Resize::Exact { height, width }))
    }

    fn crop(&self) -> Result<Crop, DataError> {
        if !self.crops() {
            return Ok(Crop::None);
        }
        let Some(size) = &self.keys.crop_size else {
            return self.bad("crop_size", "is missing although `do_center_crop` is true; add {\"height\": 224, \"width\": 224}, or set `do_center_crop` to false");
        };
        if size.as_str() == Some(SQUARE_BEFORE_RESIZE) {
            return Ok(Crop::SquareBeforeResize);
        }
        let (height, width) = if size.is_number() {
            let side = self.side("crop_size", size)?;
            (side, side)
        } else {
            self.height_and_width("crop_size", size)?
        };
        Ok(Crop::Centre { height, width })
    }

    fn height_and_width(&self, key: &'static str, size: &Value) -> Result<(u32, u32), DataError> {
        match (size.get("height"), size.get("width")) {
            (Some(height), Some(width)) => Ok((self.side(key, height)?, self.side(key, width)?)),
            _ => self.bad(key, format!("is {size}; expected {{\"height\": …, \"width\": …}} in pixels")),
        }
    }

    fn side(&self, key: &'static str, value: &Value) -> Result<u32, DataError> {
        match value.as_u64().and_then(|v| u32::try_from(v).ok()) {
            Some(side) if (1..=MAX_INPUT_SIDE).contains(&side) => Ok(side),
            _ => self.bad(
                key,
                format!("has a side of {value}; sides are whole numbers from 1 to {MAX_INPUT_SIDE}"),
            ),
        }
    }

    fn resample(&self) -> Result<Resample, DataError> {
        match self.keys.resample {
            None | Some(2) => Ok(Resample::Bilinear),
            Some(0) => Ok(Resample::Nearest),
            Some(3) => Ok(Resample::Bicubic),
            Some(other) => self.bad(
                "resample",
                format!("is {other}; supported are 0 (nearest), 2 (bilinear) and 3 (bicubic)"),
            ),
        }
    }

    fn rescale_factor(&self) -> Result<f32, DataError> {
        if !self.keys.do_rescale.unwrap_or(true) {
            return Ok(1.0);
        }
        let factor = self.keys.rescale_factor.unwrap_or(1.0 / 255.0) as f32;
        if factor.is_finite() && factor > 0.0 {
            Ok(factor)
        } else {
            self.bad("rescale_factor", format!("is {factor}; it must be finite and above 0, usually 1/255"))
        }
    }

    fn mean_and_std(&self, channels: usize) -> Result<(Vec<f32>, Vec<f32>), DataError> {
        let keys = self.keys;
        let has_values = keys.image_mean.is_some() || keys.image_std.is_some();
        if !keys.do_normalize.unwrap_or(has_values) {
            return Ok((vec![0.0], vec![1.0]));
        }
        let mean = self.per_channel("image_mean", keys.image_mean.as_ref(), channels)?;
        let std = self.per_channel("image_std", keys.image_std.as_ref(), channels)?;
        if std.contains(&0.0) {
            return self.bad(
                "image_std",
                "contains 0, and pixels are divided by it; use 1 to leave them as they are",
            );
        }
        Ok((mean, std))
    }

    /// One finite f32 for each channel.
    fn per_channel(
        &self,
        key: &'static str,
        values: Option<&OneOrMany>,
        channels: usize,
    ) -> Result<Vec<f32>, DataError> {
        let Some(values) = values.map(OneOrMany::values) else {
            return self.bad(
                key,
                "is missing although pixels are to be normalised; add it (a mean of 0 and a deviation of 1 \
                 change nothing), or set `do_normalize` to false",
            );
        };
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return self.bad(key, "must be finite numbers");
        }
        match values.len() {
            1 => Ok(vec![values[0]; channels]),
            n if n == channels => Ok(values),
            n => self.bad(key, format!("has {n} values where the network takes {channels} channels; give {channels}, or 1 for all")),
        }
    }
}

impl From<Preprocess> for PreprocessFile {
    fn from(preprocess: Preprocess) -> Self {
        let size = preprocess.resize.map(|resize| match resize {
            Resize::ShortestEdge(edge) => serde_json::json!({ "shortest_edge": edge }),
            Resize::Exact { height, width } => {
                serde_json::json!({ "height": height, "width": width })
            }
        });
        let crop_size = match preprocess.crop {
            Crop::None => None,
            Crop::Centre { height, width } => Some(serde_json::json!({ "height": height, "width": width })),
            Crop::SquareBeforeResize => Some(SQUARE_BEFORE_RESIZE.into()),
        };
        let resample = match preprocess.resample {
            Resample::Nearest => 0,
            Resample::Bilinear => 2,
            Resample::Bicubic => 3,
        };
        let many = |values: &[f32]| Some(OneOrMany::Many(values.iter().map(|&v| shortest(v)).collect()));
        Self {
            do_resize: Some(size.is_some()),
            size,
            resample: Some(resample),
            do_center_crop: Some(crop_size.is_some()),
            crop_size,
            do_rescale: Some(preprocess.rescale_factor != 1.0),
            rescale_factor: Some(shortest(preprocess.rescale_factor)),
            do_normalize: Some(
                preprocess.mean.iter().any(|&v| v != 0.0) || preprocess.std.iter().any(|&v| v != 1.0),
            ),
            image_mean: many(&preprocess.mean),
            image_std: many(&preprocess.std),
            channel_order: Some(preprocess.channel_order),
            layout: Some(preprocess.layout),
            label_offset: Some(preprocess.label_offset),
            other: BTreeMap::new(),
        }
    }
}

/// The f64 with the shortest decimal form that reads back as `value`: 0.485 rather than 0.48500001430511475.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
