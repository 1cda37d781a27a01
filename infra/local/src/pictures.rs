use std::fmt::Write;

use table::keys::sha256_hex;

use crate::sample::SampleProduct;

/// A picture of a sample product: colours and shapes derived from its id, with its name below. The same every time.
pub fn draw(product: &SampleProduct) -> String {
    let digest = sha256_hex(&product.id);
    let byte = |i: usize| u32::from_str_radix(&digest[i * 2..i * 2 + 2], 16).unwrap_or_default();
    let hue = byte(0) * 360 / 256;
    let family = product.category.first().map_or(0, |c| sha256_hex(c).bytes().map(u32::from).sum::<u32>() % 4);

    let mut shapes = String::new();
    for i in 0..3 {
        let (x, y, size) = (80 + byte(1 + i) * 240 / 256, 70 + byte(4 + i) * 130 / 256, 30 + byte(7 + i) * 60 / 256);
        let fill = format!("hsl({} 60% {}%)", (hue + 40 * (i as u32 + 1)) % 360, 45 + 10 * i);
        let _ = match family {
            0 => write!(shapes, r#"<circle cx="{x}" cy="{y}" r="{size}" fill="{fill}" opacity=".8"/>"#),
            1 => {
                let (left, top, side) = (x - size.min(x), y - size.min(y), size * 2);
                let turn = byte(10 + i) % 90;
                write!(
                    shapes,
                    r#"<rect x="{left}" y="{top}" width="{side}" height="{side}" rx="12" fill="{fill}" opacity=".8" transform="rotate({turn} {x} {y})"/>"#
                )
            }
            2 => {
                let (a, b, c, d) = (x - size.min(x), x + size, y - size.min(y), y + size);
                write!(shapes, r#"<polygon points="{a},{d} {b},{d} {x},{c}" fill="{fill}" opacity=".8"/>"#)
            }
            _ => {
                let (rx, ry) = (size + 20, size / 2 + 10);
                write!(shapes, r#"<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{fill}" opacity=".8"/>"#)
            }
        };
    }
    let name = escape(&product.name);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300" role="img" aria-label="{name}"><rect width="400" height="300" fill="hsl({hue} 45% 90%)"/>{shapes}<text x="200" y="280" text-anchor="middle" font-family="sans-serif" font-size="16" fill="#222">{name}</text></svg>"##
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
