//! Pictures of docs/benchmarks.md, in one style, as SVG. Each has its own background, and other colours for readers whose
//! system is dark.

use std::{error::Error, fmt::Write as _};

use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Rectangle, Text},
    style::{
        Color, IntoFont, RGBColor,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::section;
use crate::Outcome;

const WIDTH: i32 = 820;
const LEFT: i32 = 170;
const RIGHT: i32 = 100;
const TITLE: i32 = 26;
/// The line of the legend.
const LEGEND: i32 = 50;
const TOP: i32 = 74;
const BOTTOM: i32 = 44;
const BAR: i32 = 15;
const GAP: i32 = 14;
/// Of the plot of dots.
const HEIGHT: i32 = 300;
const FONT: &str = "sans-serif";

const BACKGROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
const TEXT: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
/// Different enough on a light and on a dark background.
const SERIES: [RGBColor; 4] =
    [RGBColor(0x2f, 0x6f, 0xde), RGBColor(0xd9, 0x77, 0x06), RGBColor(0x15, 0xa3, 0x4a), RGBColor(0x8b, 0x5c, 0xf6)];

/// What stands for the first four on a dark background.
const DARK: [(RGBColor, &str); 4] = [(BACKGROUND, "#0d1117"), (TEXT, "#f0f6fc"), (FAINT, "#9198a1"), (GRID, "#3d444d")];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Groups of horizontal bars, one for each series.
pub struct Bars<'a> {
    /// Of the file.
    pub name: &'a str,
    pub title: &'a str,
    pub unit: &'a str,
    pub series: &'a [&'a str],
    /// With a value for each series, if it has one.
    pub groups: Vec<(String, Vec<Option<f64>>)>,
}

/// Dots from left to right, at the height of their values, which are positive, on a logarithmic axis.
pub struct Dots<'a> {
    /// Of the file.
    pub name: &'a str,
    pub title: &'a str,
    pub unit: &'a str,
    /// What the dots stand for.
    pub along: &'a str,
    pub series: Vec<(String, Vec<f64>)>,
}

/// Draws and writes a picture. Returns the line that shows it.
///
/// # Errors
/// It cannot be written.
pub fn bars(bars: &Bars<'_>) -> Outcome<String> {
    section::write_picture(bars.name, bars.title, &bars_svg(bars)?)
}

/// The same of dots.
///
/// # Errors
/// It cannot be written.
pub fn dots(dots: &Dots<'_>) -> Outcome<String> {
    section::write_picture(dots.name, dots.title, &dots_svg(dots)?)
}

fn bars_svg(bars: &Bars<'_>) -> Outcome<String> {
    let of_group = |values: &[Option<f64>]| BAR * count(values.iter().flatten().count()) + GAP;
    let height: i32 = bars.groups.iter().map(|(_, values)| of_group(values)).sum();
    let most = bars.groups.iter().flat_map(|(_, values)| values.iter().flatten().copied()).fold(0.0, f64::max);
    let (step, end) = ticks(most);
    let x = |value: f64| LEFT + pixels(value / end * f64::from(WIDTH - LEFT - RIGHT));
    svg(bars.title, TOP + height + BOTTOM, |area| {
        legend(area, bars.series)?;
        let bottom = TOP + height;
        let mut tick = 0.0;
        while tick <= end * 1.001 {
            line(area, [(x(tick), TOP), (x(tick), bottom)])?;
            label(area, &shown(tick), (x(tick), bottom + 14), HPos::Center, FAINT)?;
            tick += step;
        }
        label(area, bars.unit, (WIDTH - RIGHT, bottom + 32), HPos::Right, FAINT)?;
        let mut y = TOP + GAP / 2;
        for (name, values) in &bars.groups {
            let drawn = count(values.iter().flatten().count());
            label(area, name, (LEFT - 10, y + BAR * drawn / 2), HPos::Right, TEXT)?;
            for (series, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                area.draw(&Rectangle::new(
                    [(LEFT, y + 1), (x(*value).max(LEFT + 1), y + BAR - 1)],
                    colour(series).filled(),
                ))?;
                label(area, &shown(*value), (x(*value) + 6, y + BAR / 2), HPos::Left, FAINT)?;
                y += BAR;
            }
            y += GAP;
        }
        Ok(())
    })
}

fn dots_svg(dots: &Dots<'_>) -> Outcome<String> {
    let values = || dots.series.iter().flat_map(|(_, values)| values.iter().copied()).filter(|value| *value > 0.0);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN_POSITIVE, f64::max));
    let (low, high) = (least.log10().floor(), most.log10().ceil());
    let bottom = TOP + HEIGHT;
    let y = |value: f64| bottom - pixels((value.log10() - low) / (high - low).max(1.0) * f64::from(HEIGHT));
    let (left, right) = (LEFT / 2, WIDTH - RIGHT / 2);
    svg(dots.title, bottom + BOTTOM, |area| {
        legend(area, &dots.series.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
        let mut decade = low;
        while decade <= high {
            let value = 10_f64.powf(decade);
            line(area, [(left, y(value)), (right, y(value))])?;
            label(area, &format!("{} {}", shown(value), dots.unit), (left - 8, y(value)), HPos::Right, FAINT)?;
            decade += 1.0;
        }
        label(area, dots.along, (right, bottom + 16), HPos::Right, FAINT)?;
        for (series, (_, values)) in dots.series.iter().enumerate() {
            let apart = f64::from(right - left) / f64::from(count(values.len()).max(1));
            for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
                let x = left + pixels(apart * (f64::from(count(at)) + 0.5));
                area.draw(&Circle::new((x, y(*value)), 3, colour(series).filled()))?;
            }
        }
        Ok(())
    })
}

/// A picture with its title.
fn svg(title: &str, height: i32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Outcome<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
        area.fill(&BACKGROUND)?;
        let style = (FONT, 19).into_font().color(&TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(title.to_owned(), (16, TITLE), style))?;
        draw(&area)?;
        area.present()?;
    }
    Ok(with_dark(&svg, title))
}

/// Adds the colours on a dark background, and what the picture is for those who do not see it.
fn with_dark(svg: &str, title: &str) -> String {
    let mut rules = String::new();
    for (RGBColor(r, g, b), dark) in DARK {
        let hex = format!("#{r:02X}{g:02X}{b:02X}");
        let _ = write!(rules, "[fill=\"{hex}\"]{{fill:{dark}}}[stroke=\"{hex}\"]{{stroke:{dark}}}");
    }
    let style =
        format!("<title>{}</title>\n<style>@media (prefers-color-scheme: dark){{{rules}}}</style>\n", escaped(title));
    let (head, rest) = svg.split_once(">\n").unwrap_or((svg, ""));
    format!("{head} role=\"img\">\n{style}{rest}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn legend(area: &Area<'_>, series: &[&str]) -> Drawn {
    let mut x = 16;
    for (at, name) in series.iter().enumerate() {
        area.draw(&Rectangle::new([(x, LEGEND - 5), (x + 11, LEGEND + 6)], colour(at).filled()))?;
        label(area, name, (x + 17, LEGEND), HPos::Left, TEXT)?;
        // There are no fonts to measure with: seven pixels a letter.
        x += 40 + 7 * count(name.chars().count());
    }
    Ok(())
}

fn label(area: &Area<'_>, text: &str, at: (i32, i32), anchor: HPos, colour: RGBColor) -> Drawn {
    let style = (FONT, 15).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

fn line(area: &Area<'_>, ends: [(i32, i32); 2]) -> Drawn {
    Ok(area.draw(&PathElement::new(ends, GRID.stroke_width(1)))?)
}

fn colour(series: usize) -> RGBColor {
    SERIES[series % SERIES.len()]
}

/// The distance of ticks, a round number, and the last tick: about five of them, to beyond the largest value.
fn ticks(most: f64) -> (f64, f64) {
    let about = most.max(f64::MIN_POSITIVE) / 5.0;
    let power = 10_f64.powf(about.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= about).unwrap_or(about);
    (step, (most / step).ceil() * step)
}

/// Three digits.
fn shown(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a picture has hundreds of pixels")]
fn pixels(value: f64) -> i32 {
    value.round() as i32
}

fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Bars<'static> {
        let groups = vec![("one".to_owned(), vec![Some(1.0), Some(2.0)]), ("two".to_owned(), vec![Some(4.0), None])];
        Bars { name: "test", title: "A & B", unit: "ms", series: &["first", "second"], groups }
    }

    #[test]
    fn every_value_has_a_bar_and_every_text_its_colour_on_dark() {
        let svg = bars_svg(&example()).unwrap();

        let bars = svg.matches("fill=\"#2F6FDE\"").count() + svg.matches("fill=\"#D97706\"").count();
        assert_eq!(bars, 3 + 2, "three bars, two in the legend: {svg}");
        for (RGBColor(r, g, b), _) in DARK {
            let hex = format!("#{r:02X}{g:02X}{b:02X}");
            assert!(svg.contains(&format!("[fill=\"{hex}\"]")) && svg.matches(&hex).count() > 2, "{hex}: {svg}");
        }
        assert!(
            svg.starts_with("<svg ") && svg.contains("<title>A &amp; B</title>") && svg.trim_end().ends_with("</svg>")
        );
    }

    #[test]
    fn dots_are_drawn_on_a_logarithmic_axis() {
        let series = vec![("a".to_owned(), vec![0.1, 1.0, 10.0])];

        let svg = dots_svg(&Dots { name: "test", title: "Dots", unit: "ms", along: "calls", series }).unwrap();

        assert_eq!(svg.matches("<circle").count(), 3);
        let heights = [TOP, TOP + HEIGHT / 2, TOP + HEIGHT];
        assert!(heights.iter().all(|y| svg.contains(&format!("cy=\"{y}\""))), "{svg}");
    }

    #[test]
    fn ticks_are_round_and_values_have_three_digits() {
        assert_eq!([ticks(4.6), ticks(0.9), ticks(1_000.0)], [(1.0, 5.0), (0.2, 1.0), (200.0, 1_000.0)]);
        assert_eq!([1_234.0, 12.34, 1.5, 0.1, 2.0, 0.0].map(shown), ["1234", "12.3", "1.5", "0.1", "2", "0"]);
    }
}
