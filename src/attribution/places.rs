//! How the places of a picture lie in a tensor: as an image, channels first or last, or as tokens.
//!
//! Sizes alone do not say it, so each shape has readings, and the picture's proportions decide: an
//! image inside a network is as wide and as high as the picture, divided by strides, and tokens are
//! the cells of such an image, with a few in front of them that stand for no place (class,
//! distillation, registers).

/// Most tokens in front of those that stand for places.
const MOST_EXTRA_TOKENS: usize = 8;

/// By how much rows to columns may be off the picture's: strides and paddings round sizes.
const MOST_OFF: f64 = 2.0;

/// Largest side that is taken for a number of channels of a picture.
const MOST_CHANNELS: usize = 4;

/// Rows, columns and channels of a tensor, and how its elements are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels of each place.
    pub channels: usize,
    /// Whether the places are one axis, of tokens.
    pub(super) are_tokens: bool,
    /// Tokens in front of the first place.
    first: usize,
    /// Elements from one place to the next.
    step: usize,
    /// Elements from one channel to the next.
    channel_step: usize,
}

impl Places {
    /// Number of places.
    pub(super) fn count(&self) -> usize {
        self.height * self.width
    }

    /// Position of the element of one channel at a place.
    pub(super) fn at(&self, place: usize, channel: usize) -> usize {
        (self.first + place) * self.step + channel * self.channel_step
    }
}

/// Rows and columns of the network's input, channels first or last.
pub(super) fn picture_size(shape: &[usize]) -> Option<[usize; 2]> {
    match *shape {
        [_, height, width, channels] if channels <= MOST_CHANNELS && height > MOST_CHANNELS => {
            Some([height, width])
        }
        [_, _, height, width] => Some([height, width]),
        _ => None,
    }
}

/// An image `[1, C, H, W]` of more than one place, whatever its proportions.
pub(super) fn channels_first(shape: &[usize]) -> Option<Places> {
    let &[1, channels, height, width] = shape else { return None };
    let cells = height.checked_mul(width)?;
    let (step, channel_step) = (1, cells);
    let places = Places { height, width, channels, are_tokens: false, first: 0, step, channel_step };
    (cells > 1).then_some(places)
}

fn channels_last(shape: &[usize]) -> Option<Places> {
    let &[1, height, width, channels] = shape else { return None };
    let cells = height.checked_mul(width)?;
    let (step, channel_step) = (channels, 1);
    let places = Places { height, width, channels, are_tokens: false, first: 0, step, channel_step };
    (cells > 1).then_some(places)
}

/// What a tensor of `shape` may be, the likeliest first, for a picture of that size of which
/// convolutions make images of the sizes `patches`. Nothing where no memory holds such a tensor, as a
/// file may state.
pub(super) fn readings(shape: &[usize], picture: [usize; 2], patches: &[[usize; 2]]) -> Vec<Places> {
    if shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size)).is_none() {
        return Vec::new();
    }
    if shape.len() > 3 {
        let off = |places: &Places| {
            let [rows, cols] = picture.map(|side| side as f64);
            let (here, there) = (places.height as f64 * cols, places.width as f64 * rows);
            here.max(there) / here.min(there)
        };
        let mut found: Vec<Places> =
            [channels_first(shape), channels_last(shape)].into_iter().flatten().collect();
        found.retain(|places| off(places) < MOST_OFF);
        if let [first, second] = &found[..]
            && off(second) < off(first)
        {
            found.swap(0, 1);
        }
        return found;
    }
    tokens(shape, picture, patches)
}

/// Readings of a tensor with exactly two axes longer than 1, one of tokens and one of channels.
fn tokens(shape: &[usize], picture: [usize; 2], patches: &[[usize; 2]]) -> Vec<Places> {
    let long: Vec<(usize, usize)> = (0..shape.len())
        .map(|axis| (shape[axis], shape[axis + 1..].iter().product()))
        .filter(|&(size, _)| size > 1)
        .collect();
    let [outer, inner] = long[..] else { return Vec::new() };
    let reading = |(count, step): (usize, usize), (channels, channel_step): (usize, usize)| {
        let ([height, width], first) = grid(count, picture, patches)?;
        Some(Places { height, width, channels, are_tokens: true, first, step, channel_step })
    };
    [reading(outer, inner), reading(inner, outer)].into_iter().flatten().collect()
}

/// The image whose cells `count` tokens are, and how many more there are in front.
fn grid(count: usize, picture: [usize; 2], patches: &[[usize; 2]]) -> Option<([usize; 2], usize)> {
    let extra = |[height, width]: [usize; 2]| {
        let cells = height.checked_mul(width)?;
        let extra = count.checked_sub(cells).filter(|&extra| extra <= MOST_EXTRA_TOKENS && cells > 1)?;
        Some(([height, width], extra))
    };
    let stated = patches.iter().rev().find_map(|&size| extra(size));
    let [rows, cols] = picture;
    let in_proportion = |first: usize| {
        let cells = count.checked_sub(first)?;
        let height = (cells as f64 * rows as f64 / cols as f64).sqrt().round() as usize;
        let width = cells.checked_div(height)?;
        (height * width == cells && height * cols == width * rows).then_some([height, width])
    };
    stated.or_else(|| (0..=MOST_EXTRA_TOKENS).find_map(in_proportion).and_then(extra))
}

/// The reading that agrees with what an operator makes of the tensor: where one number per channel is
/// left, the others were places.
pub(super) fn choose(readings: &[Places], made: &[usize]) -> Option<Places> {
    let left: Vec<usize> = made.iter().copied().filter(|&size| size > 1).collect();
    let agrees = readings.iter().find(|places| left == [places.channels]);
    agrees.or(readings.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [usize; 2] = [224, 224];

    fn first(shape: &[usize], picture: [usize; 2], patches: &[[usize; 2]]) -> Option<(usize, usize, usize)> {
        readings(shape, picture, patches).first().map(|p| (p.height, p.width, p.first))
    }

    #[test]
    fn sizes_that_no_memory_holds_are_read_as_nothing() {
        let half = 1 << (usize::BITS / 2);
        for shape in [&[1, half, half, 1][..], &[1, 1, half, half], &[1, 2, half, half], &[half, half, 2]] {
            assert!(readings(shape, SQUARE, &[]).is_empty(), "{shape:?}");
        }
        assert!(channels_first(&[1, 1, half, half]).is_none());
        // Nor do convolutions make images of such sizes.
        assert_eq!(first(&[1, 196, 4], SQUARE, &[[half, half]]), Some((14, 14, 0)));
    }

    #[test]
    fn images_are_read_in_the_proportions_of_the_picture() {
        assert_eq!(first(&[1, 512, 7, 7], SQUARE, &[]), Some((7, 7, 0)));
        assert_eq!(first(&[1, 7, 7, 512], SQUARE, &[]), Some((7, 7, 0)));
        assert_eq!(first(&[1, 8, 8, 10], SQUARE, &[]), Some((8, 8, 0)), "channels last fit better");
        assert_eq!(first(&[1, 64, 4, 9], [100, 230], &[]), Some((4, 9, 0)));
        assert_eq!(first(&[1, 12, 197, 64], SQUARE, &[]), None, "heads of attention");
        assert_eq!(first(&[1, 512, 1, 1], SQUARE, &[]), None);
        assert_eq!(first(&[1, 512], SQUARE, &[]), None);
    }

    #[test]
    fn tokens_are_the_cells_of_an_image_with_a_few_in_front() {
        assert_eq!(first(&[1, 197, 192], SQUARE, &[]), Some((14, 14, 1)));
        assert_eq!(first(&[1, 198, 192], SQUARE, &[[14, 14]]), Some((14, 14, 2)));
        assert_eq!(first(&[1, 49, 768], SQUARE, &[[56, 56]]), Some((7, 7, 0)));
        assert_eq!(first(&[1, 13, 16], [48, 64], &[]), Some((3, 4, 1)));
        assert_eq!(first(&[1, 56, 16], [100, 130], &[[7, 8]]), Some((7, 8, 0)), "as a convolution made it");
        assert_eq!(first(&[1, 2, 192], SQUARE, &[[14, 14]]), None);
        let transposed = readings(&[1, 768, 49], SQUARE, &[]);
        assert_eq!(transposed.iter().map(|p| p.at(2, 5)).collect::<Vec<_>>(), [2 + 5 * 49]);
    }

    #[test]
    fn what_is_left_says_which_axes_were_places() {
        let both = readings(&[1, 49, 64], SQUARE, &[]);
        assert_eq!(both.len(), 2);
        assert_eq!(choose(&both, &[1, 64]).unwrap().count(), 49);
        assert_eq!(choose(&both, &[1, 49]).unwrap().count(), 64);
        let last = readings(&[1, 7, 7, 7], SQUARE, &[]);
        assert_eq!(choose(&last, &[1, 7]).unwrap().at(3, 2), 3 + 2 * 49);
    }
}
