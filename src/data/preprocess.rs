//! How a picture becomes a network's input, and doing it.
//!
//! Order of work: decoded RGB, grey if the network takes one channel → largest centred square (if asked) →
//! resize → centre crop → `(value · rescale_factor − mean) / std` in f32, each step rounded as NumPy's float32
//! does → channel order and layout. The settings are those of a Hugging Face `preprocessor_config.json`
//! plus three of ours: `channel_order`, `layout` and `label_offset`.
//!
//! Deliberately absent: padding. A crop larger than the picture is refused with a message, since a frame of
//! zeros around a picture is almost always a mistake in the settings.

use serde::{Deserialize, Serialize};

use super::preprocess_file::{self, PreprocessFile};
pub use super::resize::Resample;
use super::resize::{Pixels, Window};
use super::{DataError, Picture};

/// Longest side of a network's input in pixels.
pub const MAX_INPUT_SIDE: u32 = 8192;

/// Mean of the ImageNet training pixels, RGB in 0..1 (torchvision's reference models).
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Standard deviation of the ImageNet training pixels, RGB in 0..1 (torchvision's reference models).
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Short side over crop in the usual ImageNet evaluation: 224 / 256.
const USUAL_CROP_SHARE: f32 = 0.875;

/// Inputs with a side below this are taken as thumbnails that are resized whole, without a crop (CIFAR, MNIST, 96×96 wake-word networks).
const SMALLEST_CROPPED_SIDE: usize = 128;

/// What is done to a picture before the network sees it.
///
/// Reads and writes the form of `preprocessor_config.json`; deserializing checks the values and fills in what
/// is left out as [`Preprocess::from_json`] says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PreprocessFile", into = "PreprocessFile")]
pub struct Preprocess {
    /// Size before the crop; `None` leaves the picture's own.
    pub resize: Option<Resize>,
    /// Filter of the resize.
    pub resample: Resample,
    /// The part of the picture that is kept.
    pub crop: Crop,
    /// Factor on the 0..255 pixel values; 1 when the network takes them raw.
    pub rescale_factor: f32,
    /// Subtracted after rescaling, in the order of the network's channels; length 1 (for all) or one each. Zero for none.
    pub mean: Vec<f32>,
    /// Divides after `mean` is subtracted; finite, not zero, of `mean`'s length. One for none.
    pub std: Vec<f32>,
    /// Channels as the network takes them.
    pub channel_order: ChannelOrder,
    /// Axes of the network's input.
    pub layout: Layout,
    /// Output index of class 0: 1 for networks with a background class in front.
    pub label_offset: usize,
}

/// Target of a resize; sides are 1 to [`MAX_INPUT_SIDE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side gets this length, the longer one keeps the proportion (rounded down).
    ShortestEdge(u32),
    /// Exactly this size; the proportion may change.
    Exact {
        /// Height in pixels.
        height: u32,
        /// Width in pixels.
        width: u32,
    },
}

/// Which part of the picture is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// All of it.
    None,
    /// This much of the centre after the resize; an odd rest loses its extra pixel to the right and below.
    Centre {
        /// Height in pixels, 1 to [`MAX_INPUT_SIDE`].
        height: u32,
        /// Width in pixels, 1 to [`MAX_INPUT_SIDE`].
        width: u32,
    },
    /// The largest centred square, cut before the resize.
    SquareBeforeResize,
}

/// The order of the channels in the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red (Caffe's habit).
    Bgr,
    /// One channel of luma.
    #[serde(alias = "gray")]
    Grey,
}

/// The order of the axes in the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Layout {
    /// Channels before rows.
    #[default]
    #[serde(rename = "NCHW")]
    Nchw,
    /// Channels innermost.
    #[serde(rename = "NHWC")]
    Nhwc,
}

/// A picture ready for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessed {
    /// `[C, H, W]`, or `[H, W, C]` for [`Layout::Nhwc`]; the batch axis is the caller's.
    pub shape: [usize; 3],
    /// The values, row-major in `shape`.
    pub data: Vec<f32>,
    /// What the network sees, before the arithmetic: the resized and cropped pixels (grey repeated).
    pub seen: Picture,
}

impl Default for Preprocess {
    /// Pixels divided by 255, RGB, NCHW, at the picture's own size.
    fn default() -> Self {
        Self {
            resize: None,
            resample: Resample::Bilinear,
            crop: Crop::None,
            rescale_factor: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
            channel_order: ChannelOrder::Rgb,
            layout: Layout::Nchw,
            label_offset: 0,
        }
    }
}

impl ChannelOrder {
    /// Number of channels.
    pub fn channels(self) -> usize {
        if self == Self::Grey { 1 } else { 3 }
    }
}

impl Preprocess {
    /// Reads a `preprocessor_config.json`. Returns the settings and the keys that were not understood, which
    /// the user should hear about.
    ///
    /// What is left out means: resize when there is a `size`, crop when there is a `crop_size`, rescale by 1/255,
    /// normalise when there is an `image_mean` or `image_std` (then both are needed: the defaults of Hugging Face depend
    /// on the model class, which is not known here), bilinear, RGB, NCHW, no label offset. A `size` that is one number is
    /// the shorter edge when a crop follows, otherwise both sides (again, Hugging Face decides by model class).
    ///
    /// # Errors
    /// [`DataError::Malformed`] for JSON that does not parse, [`DataError::BadSetting`] for a value that makes no sense.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<(Self, Vec<String>), DataError> {
        preprocess_file::read(file, bytes)
    }

    /// A guess from a network's input shape (`None` for symbolic axes), to be shown as a guess.
    ///
    /// Four axes with 1 or 3 channels in second place (NCHW) or last (NHWC); anything else gives `None`, since it is
    /// no picture. RGB gets the ImageNet mean and deviation, grey only 1/255. From 128 pixels on, the short side is
    /// resized to the side / 0.875 and the centre cropped; smaller or oblong inputs are resized whole. A symbolic side counts as 224.
    pub fn default_for(input_shape: &[Option<usize>]) -> Option<Self> {
        let &[_, a, b, c] = input_shape else {
            return None;
        };
        let is_channels = |axis: Option<usize>| matches!(axis, Some(1 | 3));
        let (layout, channels, height, width) = match (is_channels(a), is_channels(c)) {
            (true, _) => (Layout::Nchw, a?, b, c),
            (false, true) => (Layout::Nhwc, c?, a, b),
            (false, false) => return None,
        };
        let (height, width) = (height.unwrap_or(224), width.unwrap_or(224));
        let side = |v: usize| u32::try_from(v).ok().filter(|v| (1..=MAX_INPUT_SIDE).contains(v));
        let (exact_height, exact_width) = (side(height)?, side(width)?);
        let exact = (Resize::Exact { height: exact_height, width: exact_width }, Crop::None);
        let short = (height as f32 / USUAL_CROP_SHARE).round() as u32;
        let (resize, crop) = if height == width && height >= SMALLEST_CROPPED_SIDE && short <= MAX_INPUT_SIDE
        {
            (Resize::ShortestEdge(short), Crop::Centre { height: exact_height, width: exact_width })
        } else {
            exact
        };
        let base = Self { resize: Some(resize), crop, layout, ..Self::default() };
        Some(if channels == 1 {
            Self { channel_order: ChannelOrder::Grey, ..base }
        } else {
            Self { mean: IMAGENET_MEAN.to_vec(), std: IMAGENET_STD.to_vec(), ..base }
        })
    }

    /// Width and height after resize and crop of a picture of the given size.
    pub fn output_size(&self, width: u32, height: u32) -> (u32, u32) {
        if let Crop::Centre { height, width } = self.crop {
            return (width, height);
        }
        let square = width.min(height);
        let (width, height) =
            if self.crop == Crop::SquareBeforeResize { (square, square) } else { (width, height) };
        let (width, height) = self.resized(width as usize, height as usize);
        (width as u32, height as u32)
    }

    /// Prepares one picture.
    ///
    /// # Errors
    /// [`DataError::CropTooLarge`] when the crop does not fit, [`DataError::PictureSize`] when an extreme proportion
    /// would make the resized picture too large.
    pub fn apply(&self, picture: &Picture) -> Result<Preprocessed, DataError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if self.channel_order == ChannelOrder::Grey {
            let data = picture.to_grey().into_iter().map(|v| [v]).collect();
            let pixels = self.reshape(Pixels { width, height, data }, picture.name())?;
            let seen = pixels.data.iter().flat_map(|&[v]| [v; 3]).collect();
            return self.normalised(&pixels, seen, picture.name());
        }
        let data = picture.rgb().as_chunks::<3>().0.to_vec();
        let mut pixels = self.reshape(Pixels { width, height, data }, picture.name())?;
        let seen = pixels.data.as_flattened().to_vec();
        if self.channel_order == ChannelOrder::Bgr {
            pixels.data.iter_mut().for_each(|pixel| pixel.reverse());
        }
        self.normalised(&pixels, seen, picture.name())
    }

    /// Crops and resizes.
    fn reshape<const C: usize>(&self, pixels: Pixels<C>, file: &str) -> Result<Pixels<C>, DataError> {
        let pixels = match (self.crop, Window::largest_square(pixels.width, pixels.height)) {
            (Crop::SquareBeforeResize, square) => pixels.crop(square),
            _ => pixels,
        };
        let size = self.resized(pixels.width, pixels.height);
        let window = match self.crop {
            Crop::Centre { height, width } => Window::centred(size, (width as usize, height as usize))
                .ok_or_else(|| {
                    let (crop_width, crop_height) = (width, height);
                    DataError::CropTooLarge {
                        file: file.into(),
                        width: size.0 as u32,
                        height: size.1 as u32,
                        crop_width,
                        crop_height,
                    }
                })?,
            Crop::None | Crop::SquareBeforeResize => {
                Window { left: 0, top: 0, width: size.0, height: size.1 }
            }
        };
        super::image::check_size(file, window.width as u64, window.height as u64)?;
        Ok(pixels.resize(size, window, self.resample))
    }

    /// Width and height after the resize alone.
    fn resized(&self, width: usize, height: usize) -> (usize, usize) {
        match self.resize {
            None => (width, height),
            Some(Resize::Exact { height, width }) => (width as usize, height as usize),
            Some(Resize::ShortestEdge(edge)) => {
                // u64: 8192 times the longest side exceeds a wasm usize.
                let edge = u64::from(edge);
                let long = |long: usize, short: usize| (edge * long as u64 / short.max(1) as u64) as usize;
                let edge = edge as usize;
                if width < height { (edge, long(height, width)) } else { (long(width, height), edge) }
            }
        }
    }

    /// Looks every value up in a table of its channel, and arranges the axes.
    fn normalised<const C: usize>(
        &self,
        pixels: &Pixels<C>,
        seen: Vec<u8>,
        name: &str,
    ) -> Result<Preprocessed, DataError> {
        let tables: [[f32; 256]; C] = std::array::from_fn(|channel| self.table(channel));
        let lookup = tables
            .iter()
            .enumerate()
            .map(|(channel, table)| move |pixel: &[u8; C]| table[usize::from(pixel[channel])]);
        let (height, width) = (pixels.height, pixels.width);
        let (shape, data) = match self.layout {
            Layout::Nchw => {
                ([C, height, width], lookup.flat_map(|value| pixels.data.iter().map(value)).collect())
            }
            Layout::Nhwc => {
                let lookup: Vec<_> = lookup.collect();
                let values =
                    pixels.data.iter().flat_map(|pixel| lookup.iter().map(move |value| value(pixel)));
                ([height, width, C], values.collect())
            }
        };
        let seen = Picture::from_rgb(name, width as u32, height as u32, seen)?;
        Ok(Preprocessed { shape, data, seen })
    }

    /// `(value · rescale_factor − mean) / std` for the 256 values, each operation rounded to f32.
    fn table(&self, channel: usize) -> [f32; 256] {
        let of =
            |values: &[f32], absent: f32| values.get(channel).or(values.first()).copied().unwrap_or(absent);
        let (mean, std) = (of(&self.mean, 0.0), of(&self.std, 1.0));
        std::array::from_fn(|value| (value as f32 * self.rescale_factor - mean) / std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Preprocess, Vec<String>) {
        Preprocess::from_json("p.json", json.as_bytes()).unwrap()
    }

    /// The message for a file that must be refused.
    fn refused(json: &str) -> String {
        let message = Preprocess::from_json("p.json", json.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("`p.json`"), "{message}");
        message
    }

    /// Red, green, blue, white / and four values that tell pixels apart.
    fn four_by_two() -> Picture {
        let rgb = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        Picture::from_rgb("p.png", 4, 2, rgb).unwrap()
    }

    fn raw() -> Preprocess {
        Preprocess { rescale_factor: 1.0, ..Preprocess::default() }
    }

    #[test]
    fn reads_a_vision_transformers_file() {
        let (preprocess, unknown) = read(
            r#"{"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
                "resample": 2, "size": 224, "image_processor_type": "ViTImageProcessor", "crop_pct": 0.9}"#,
        );
        assert_eq!(preprocess.resize, Some(Resize::Exact { height: 224, width: 224 }));
        assert_eq!((preprocess.crop, preprocess.rescale_factor), (Crop::None, 1.0 / 255.0));
        assert_eq!(unknown, ["crop_pct"]);
    }

    #[test]
    fn reads_a_clip_file() {
        let (preprocess, unknown) = read(
            r#"{"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true, "resample": 3, "size": 224,
                "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": 0.48, "image_std": [0.27, 0.26, 0.28]}"#,
        );
        assert_eq!(preprocess.resize, Some(Resize::ShortestEdge(224)));
        assert_eq!(preprocess.crop, Crop::Centre { height: 224, width: 224 });
        assert_eq!(preprocess.resample, Resample::Bicubic);
        assert_eq!(preprocess.mean, [0.48; 3]);
        assert!(unknown.is_empty());
    }

    #[test]
    fn an_empty_file_means_pixels_over_255() {
        assert_eq!(read("{}"), (Preprocess::default(), vec![]));
    }

    #[test]
    fn switched_off_steps_ignore_their_values() {
        let (preprocess, _) = read(
            r#"{"do_resize": false, "size": 9, "do_center_crop": false, "crop_size": 5, "do_rescale": false,
                "rescale_factor": 7, "do_normalize": false, "image_mean": [1], "image_std": [0]}"#,
        );
        assert_eq!(preprocess, raw());
    }

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        for (json, part) in [
            (r#"{"image_mean": [0.5], "image_std": [0]}"#, "`image_std` contains 0"),
            (r#"{"image_mean": [0.5, 0.5], "image_std": [1, 1]}"#, "`image_mean` has 2 values"),
            (r#"{"image_mean": [1e300], "image_std": [1]}"#, "`image_mean` must be finite"),
            (r#"{"image_mean": [0.5]}"#, "`image_std` is missing"),
            (r#"{"image_std": [0.5]}"#, "`image_mean` is missing"),
            (r#"{"do_normalize": true, "image_std": [0.5]}"#, "`image_mean` is missing"),
            (r#"{"rescale_factor": 0}"#, "`rescale_factor` is 0"),
            (r#"{"rescale_factor": -1}"#, "`rescale_factor` is -1"),
            (r#"{"size": 0}"#, "`size` has a side of 0"),
            (r#"{"size": {"height": 8193, "width": 2}}"#, "`size` has a side of 8193"),
            (r#"{"size": {"height": 2.5, "width": 2}}"#, "`size` has a side of 2.5"),
            (r#"{"size": {"height": 2}}"#, "expected {\"height\""),
            (r#"{"size": {"shortest_edge": 800, "longest_edge": 1333}}"#, "longest_edge"),
            (r#"{"do_resize": true}"#, "`size` is missing"),
            (r#"{"do_center_crop": true}"#, "`crop_size` is missing"),
            (r#"{"crop_size": "middle"}"#, "`crop_size` is \"middle\""),
            (r#"{"resample": 1}"#, "`resample` is 1"),
            (r#"{"channel_order": "cmyk"}"#, "cmyk"),
            (r#"{"label_offset": -1}"#, "-1"),
            ("[1]", "preprocessor_config.json"),
            ("{", "preprocessor_config.json"),
        ] {
            assert!(refused(json).contains(part), "{json}: {}", refused(json));
        }
    }

    #[test]
    fn written_settings_read_back_the_same() {
        let settings = [
            Preprocess::default(),
            raw(),
            Preprocess { layout: Layout::Nhwc, channel_order: ChannelOrder::Bgr, label_offset: 1, ..raw() },
            Preprocess {
                resize: Some(Resize::Exact { height: 5, width: 7 }),
                crop: Crop::SquareBeforeResize,
                resample: Resample::Nearest,
                ..raw()
            },
            Preprocess::default_for(&[None, Some(3), Some(224), Some(224)]).unwrap(),
            Preprocess::default_for(&[Some(1), Some(1), Some(28), Some(28)]).unwrap(),
        ];
        for preprocess in settings {
            let text = serde_json::to_string(&preprocess).unwrap();
            let back: Preprocess = serde_json::from_str(&text).unwrap();
            // Absent normalisation is written as 0 and 1 and read as such.
            assert_eq!(back, preprocess, "{text}");
        }
        let text =
            serde_json::to_string(&Preprocess::default_for(&[None, Some(3), Some(224), Some(224)]).unwrap())
                .unwrap();
        assert!(text.contains(r#""image_mean":[0.485,0.456,0.406]"#), "{text}");
        assert!(text.contains(r#""size":{"shortest_edge":256}"#), "{text}");
    }

    #[test]
    fn channel_order_and_layout_place_every_value() {
        let picture = four_by_two();
        let rgb: Vec<f32> = picture.rgb().iter().map(|&v| f32::from(v)).collect();
        let nhwc = Preprocess { layout: Layout::Nhwc, ..raw() }.apply(&picture).unwrap();
        assert_eq!((nhwc.shape, &nhwc.data), ([2, 4, 3], &rgb));

        let nchw = raw().apply(&picture).unwrap();
        assert_eq!(nchw.shape, [3, 2, 4]);
        assert_eq!(nchw.data[..8], [255.0, 0.0, 0.0, 255.0, 1.0, 4.0, 7.0, 10.0]);
        assert_eq!(nchw.seen.rgb(), picture.rgb());

        let bgr = Preprocess { channel_order: ChannelOrder::Bgr, ..raw() }.apply(&picture).unwrap();
        assert_eq!(bgr.data[..8], nchw.data[16..]);
        assert_eq!(bgr.data[8..16], nchw.data[8..16]);
        assert_eq!(bgr.seen.rgb(), picture.rgb(), "the picture shown stays in natural colours");

        let grey = Preprocess { channel_order: ChannelOrder::Grey, ..raw() }.apply(&picture).unwrap();
        assert_eq!((grey.shape, grey.data[0], grey.data[3]), ([1, 2, 4], 76.0, 255.0));
        assert_eq!(grey.seen.rgb()[..3], [76; 3]);
    }

    #[test]
    fn mean_and_std_are_in_the_networks_channel_order() {
        let preprocess = Preprocess {
            channel_order: ChannelOrder::Bgr,
            mean: vec![104.0, 117.0, 123.0],
            std: vec![1.0, 2.0, 4.0],
            ..raw()
        };
        let data = preprocess.apply(&four_by_two()).unwrap().data;
        // The first pixel is red: blue 0, green 0, red 255.
        assert_eq!([data[0], data[8], data[16]], [-104.0, -58.5, 33.0]);
    }

    #[test]
    fn the_shorter_side_rules_and_the_longer_is_rounded_down() {
        let preprocess = Preprocess { resize: Some(Resize::ShortestEdge(256)), ..raw() };
        assert_eq!(preprocess.output_size(500, 375), (341, 256));
        assert_eq!(preprocess.output_size(375, 500), (256, 341));
        assert_eq!(preprocess.output_size(77, 77), (256, 256));
        let square = Preprocess { crop: Crop::SquareBeforeResize, ..preprocess.clone() };
        assert_eq!(square.output_size(500, 375), (256, 256));
        let crop = Preprocess { crop: Crop::Centre { height: 200, width: 224 }, ..preprocess };
        assert_eq!(crop.output_size(500, 375), (224, 200));
    }

    #[test]
    fn the_largest_square_is_cut_before_the_resize() {
        let preprocess = Preprocess { crop: Crop::SquareBeforeResize, ..raw() };
        let prepared = preprocess.apply(&four_by_two()).unwrap();
        assert_eq!(prepared.seen.rgb(), [0, 255, 0, 0, 0, 255, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_crop_that_does_not_fit_is_refused() {
        let preprocess = Preprocess { crop: Crop::Centre { height: 3, width: 2 }, ..raw() };
        let message = preprocess.apply(&four_by_two()).unwrap_err().to_string();
        assert!(message.contains("`p.png` is 4×2") && message.contains("2×3"), "{message}");
    }

    #[test]
    fn extreme_proportions_cost_only_their_crop() {
        let sliver = Picture::from_grey("sliver.png", 1, 60_000, &vec![9; 60_000]).unwrap();
        let preprocess = Preprocess {
            resize: Some(Resize::ShortestEdge(256)),
            crop: Crop::Centre { height: 224, width: 224 },
            ..raw()
        };
        assert!(preprocess.apply(&sliver).unwrap().data.iter().all(|&v| v == 9.0));
        let whole = Preprocess { crop: Crop::None, ..preprocess };
        assert!(matches!(whole.apply(&sliver), Err(DataError::PictureSize { height: 15_360_000, .. })));
    }

    #[test]
    fn guesses_follow_the_input_shape() {
        let guess = |shape: &[Option<usize>]| Preprocess::default_for(shape);
        let imagenet = guess(&[None, Some(3), Some(224), Some(224)]).unwrap();
        assert_eq!(imagenet.resize, Some(Resize::ShortestEdge(256)));
        assert_eq!(imagenet.mean, IMAGENET_MEAN);
        let cifar = guess(&[Some(1), Some(3), Some(32), Some(32)]).unwrap();
        assert_eq!((cifar.resize, cifar.crop), (Some(Resize::Exact { height: 32, width: 32 }), Crop::None));
        let mnist = guess(&[Some(1), Some(1), Some(28), Some(28)]).unwrap();
        assert_eq!((mnist.channel_order, mnist.mean), (ChannelOrder::Grey, vec![0.0]));
        let keras = guess(&[None, Some(160), Some(160), Some(3)]).unwrap();
        assert_eq!((keras.layout, keras.crop), (Layout::Nhwc, Crop::Centre { height: 160, width: 160 }));
        let symbolic = guess(&[None, Some(3), None, None]).unwrap();
        assert_eq!(symbolic.crop, Crop::Centre { height: 224, width: 224 });
        for shape in [
            &[None, Some(784)][..],
            &[None, Some(5), Some(9), Some(9)],
            &[None, Some(3), Some(0), Some(9)],
            &[],
        ] {
            assert_eq!(guess(shape), None, "{shape:?}");
        }
    }
}
