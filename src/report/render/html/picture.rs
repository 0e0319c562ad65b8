//! The map as a picture, for readers without scripts, and for paper.

use super::points::bounds;
use crate::map::{MapPoint, MapPoints, Side};

/// Pixels of the picture.
const WIDTH: usize = 1_120;
const HEIGHT: usize = 700;
const MARGIN: f32 = 8.0;
const GROUND: [u8; 3] = [0xff; 3];
const REFERENCE: [u8; 3] = [0x8a, 0x8f, 0x94];

/// A PNG on white; `slot` is the colour of a region, one of `colors`. Reference texts are grey, and lie below.
pub(super) fn png(map: &MapPoints, colors: &[[u8; 3]], slot: impl Fn(u32) -> usize) -> Option<Vec<u8>> {
    if map.points.is_empty() {
        return None;
    }
    let [low, high] = bounds(&map.points);
    let room = [WIDTH as f32 - 2.0 * MARGIN, HEIGHT as f32 - 2.0 * MARGIN];
    let scale = [0, 1].map(|axis| room[axis] / (high[axis] - low[axis]).max(f32::MIN_POSITIVE));
    let scale = scale[0].min(scale[1]);
    let radius: isize = if map.points.len() > 20_000 { 1 } else { 2 };
    let mut pixels = vec![0_u8; WIDTH * HEIGHT];
    let mut paint = |point: &MapPoint, color: u8| {
        let at = |axis: usize| {
            let middle = low[axis].midpoint(high[axis]);
            let size = [WIDTH, HEIGHT][axis] as f32;
            (size / 2.0 + (point.xy[axis] - middle) * scale * [1.0, -1.0][axis]) as isize
        };
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                let (x, y) = (at(0) + dx, at(1) + dy);
                let inside = (0..WIDTH as isize).contains(&x) && (0..HEIGHT as isize).contains(&y);
                if inside && dx * dx + dy * dy <= radius * radius {
                    pixels[y as usize * WIDTH + x as usize] = color;
                }
            }
        }
    };
    for point in map.points.iter().filter(|point| point.side == Side::Reference) {
        paint(point, 1);
    }
    for point in map.points.iter().filter(|point| point.side == Side::Corpus) {
        paint(point, 2 + slot(point.region) as u8);
    }
    let palette: Vec<u8> = [GROUND, REFERENCE].iter().chain(colors).flatten().copied().collect();
    encode(&pixels, palette).ok()
}

fn encode(pixels: &[u8], palette: Vec<u8>) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
