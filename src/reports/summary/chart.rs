//! The charts of a summary as PNG: bars of whole pixels. What they show is written beside them, so they hold
//! no letters.

use crate::reports::figures::Rate;

type Colour = [u8; 3];

const PAPER: Colour = [255, 255, 255];
const TRACK: Colour = [228, 225, 218];
const BAR: Colour = [47, 141, 145];
/// Dark enough beside the bar in greyscale too.
const INTERVAL: Colour = [16, 60, 64];

/// Twice the size at which it is shown, for screens with small pixels.
const BAR_SIZE: (u32, u32) = (400, 36);
const COLUMNS_SIZE: (u32, u32) = (1_104, 240);

/// A picture while it is drawn.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new((width, height): (u32, u32)) -> Self {
        let pixels = PAPER.repeat(usize::try_from(width * height).unwrap_or(0));
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Fills a rectangle, as far as it lies within the picture.
    fn fill(&mut self, (left, top): (u32, u32), (right, bottom): (u32, u32), colour: Colour) {
        let line = usize::try_from(self.width).unwrap_or(0) * 3;
        let bytes = |pixels: u32| usize::try_from(pixels).unwrap_or(0) * 3;
        let (left, right) = (bytes(left.min(self.width)), bytes(right.min(self.width)));
        let rows = self.pixels.chunks_exact_mut(line.max(1));
        let height = usize::try_from(bottom.saturating_sub(top)).unwrap_or(0);
        for row in rows.skip(usize::try_from(top).unwrap_or(0)).take(height) {
            if let Some(span) = row.get_mut(left..right.max(left)) {
                for pixel in span.chunks_exact_mut(3) {
                    pixel.copy_from_slice(&colour);
                }
            }
        }
    }

    fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// The highest end of the intervals, so that all bars have one scale; never 0.
pub(super) fn scale<'r>(rates: impl Iterator<Item = &'r Rate>) -> f64 {
    let ends = rates.filter_map(|rate| {
        rate.interval_95
            .map(|interval| interval.high)
            .or(rate.value)
    });
    ends.fold(0.0_f64, f64::max).max(0.001)
}

/// A rate as a bar from left to right, with its interval as a dark line through its end.
pub(super) fn bar(rate: &Rate, scale: f64) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = BAR_SIZE;
    let mut canvas = Canvas::new(BAR_SIZE);
    let x = |value: f64| pixels(value / scale, width);
    canvas.fill((0, height / 2 - 2), (width, height / 2 + 2), TRACK);
    if let Some(value) = rate.value {
        canvas.fill((0, 6), (x(value).max(2), height - 6), BAR);
    }
    if let Some(interval) = rate.interval_95 {
        let (low, high) = (x(interval.low), x(interval.high).max(x(interval.low) + 2));
        canvas.fill((low, height / 2 - 2), (high, height / 2 + 2), INTERVAL);
        for end in [low, high.saturating_sub(3)] {
            canvas.fill((end, height / 2 - 9), (end + 3, height / 2 + 9), INTERVAL);
        }
    }
    canvas.png()
}

/// Rates as columns beside each other, the last one this period's; a period without messages stays empty.
pub(super) fn columns(rates: &[Rate], scale: f64) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = COLUMNS_SIZE;
    let mut canvas = Canvas::new(COLUMNS_SIZE);
    let count = u32::try_from(rates.len()).unwrap_or(1).max(1);
    let step = width / count;
    let floor = height - 4;
    let y = |value: f64| floor - pixels(value / scale, floor - 8);
    for (place, rate) in (0..count).zip(rates) {
        let (left, right) = (place * step + step / 5, (place + 1) * step - step / 5);
        let middle = (left + right) / 2;
        let Some(value) = rate.value else { continue };
        let colour = if place + 1 == count {
            BAR
        } else {
            [143, 178, 178]
        };
        canvas.fill((left, y(value).min(floor - 2)), (right, floor), colour);
        if let Some(interval) = rate.interval_95 {
            let (top, bottom) = (y(interval.high), y(interval.low));
            canvas.fill((middle - 2, top), (middle + 2, bottom), INTERVAL);
            for end in [top, bottom.saturating_sub(3)] {
                canvas.fill((middle - 12, end), (middle + 12, end + 3), INTERVAL);
            }
        }
    }
    canvas.fill((0, floor), (width, height), [91, 103, 108]);
    canvas.png()
}

/// A share of a length, in whole pixels.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the length"
)]
fn pixels(share: f64, length: u32) -> u32 {
    (share.clamp(0.0, 1.0) * f64::from(length)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures::Denominator;

    fn read(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_bar_is_as_long_as_its_rate() {
        let rate = Rate::new(50, 1_000, Denominator::Delivered);
        let (width, height, pixels) = read(&bar(&rate, 0.1).unwrap());
        assert_eq!((width, height), BAR_SIZE);
        let row = &pixels[7 * 400 * 3..8 * 400 * 3];
        let length = row.chunks(3).filter(|pixel| *pixel == BAR).count();
        assert_eq!(length, 200);
    }

    #[test]
    fn any_rates_can_be_drawn() {
        for (count, of) in [(0, 0), (0, 10), (10, 10), (3, 2), (u64::MAX, u64::MAX)] {
            let rate = Rate::new(count, of, Denominator::Delivered);
            let scale = scale([rate].iter());
            read(&bar(&rate, scale).unwrap());
            read(&columns(&[rate, rate], scale).unwrap());
        }
        read(&columns(&[], 0.001).unwrap());
    }
}
