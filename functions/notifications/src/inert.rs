//! Text from customers and suppliers, changed so that it stays readable and no mail client makes a link of it.
//!
//! Mail clients look for links in the visible text of both parts: a scheme followed by `://`, `www.`, a host name, an
//! e-mail address. A space in the middle prevents all of them and hardly disturbs a reader. It does not prevent the
//! link of a telephone number, so that is truncated.

/// Maximum characters of a name in a mail.
pub const NAME: usize = 80;

/// Maximum characters of a line of an address in a mail.
pub const ADDRESS_LINE: usize = 60;

/// Maximum characters of a reason of staff in a mail.
pub const REASON: usize = 200;

/// Maximum digits of a number: fewer than a telephone number has, and as many as most postal codes.
const DIGITS: usize = 6;

/// Schemes that mail clients recognise without `//`.
const SCHEMES: [&str; 15] = [
    "bitcoin",
    "callto",
    "data",
    "facetime",
    "file",
    "ftp",
    "http",
    "https",
    "javascript",
    "mailto",
    "sip",
    "sms",
    "tel",
    "webcal",
    "whatsapp",
];

/// The text as a single line of at most `most` characters, in which no mail client finds a link. Applying it twice
/// changes nothing.
///
/// - Control, bidirectional, zero-width and other invisible characters are left out, white space becomes one space.
/// - `.` and `:` are followed by a space, except between the digits of a number (`1.5`) and of a time (`10:30`).
/// - `@` has spaces around it, and there is no `//`, no `www.` and no `mailto:`.
/// - A number of more than six digits, however they are grouped, is cut after the sixth and ends with `…`.
/// - Text that is too long is cut, and ends with `…`.
pub fn inert(text: &str, most: usize) -> String {
    let visible = without_telephone_numbers(text.chars().filter(|c| !is_invisible(*c)).map(plain));
    let mut broken = String::with_capacity(text.len());
    for (at, c) in visible.iter().copied().enumerate() {
        let after = visible.get(at + 1).copied();
        match c {
            ' ' => push_space(&mut broken),
            '@' => {
                push_space(&mut broken);
                broken.push('@');
                push_space(&mut broken);
            }
            '.' if last_word_is(&broken, &["www"]) => push_space(&mut broken),
            '.' => {
                broken.push('.');
                let ends = matches!(after, None | Some('.' | '…'));
                if !ends && !is_in_number(&visible, at, '.') {
                    push_space(&mut broken);
                }
            }
            ':' if last_word_is(&broken, &SCHEMES) => push_space(&mut broken),
            ':' => {
                broken.push(':');
                if !is_in_number(&visible, at, ':') {
                    push_space(&mut broken);
                }
            }
            '/' => {
                broken.push('/');
                if after == Some('/') {
                    push_space(&mut broken);
                }
            }
            c => broken.push(c),
        }
    }
    bounded(broken.trim(), most)
}

/// Digits belong to one number as long as only grouping characters are between them.
fn without_telephone_numbers(text: impl Iterator<Item = char>) -> Vec<char> {
    let (mut kept, mut digits) = (Vec::new(), 0);
    for c in text {
        match c {
            c if c.is_numeric() => digits += 1,
            ' ' | '-' | '.' | '(' | ')' | '+' | '/' | ':' | '…' | '‐' | '‑' | '‒' | '–' | '—' | '·' | '~' | '_' =>
                {}
            _ => {
                if digits > DIGITS {
                    kept.push(' ');
                }
                digits = 0;
            }
        }
        if digits <= DIGITS {
            kept.push(c);
        } else if kept.last() != Some(&'…') {
            kept.push('…');
        }
    }
    kept
}

/// One space between words, and none at the beginning.
fn push_space(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// Whether the last run of letters and digits is one of these words.
fn last_word_is(text: &str, words: &[&str]) -> bool {
    let word = text.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether the mark at a position is the only one of its kind in a number. If there are several, as in an IP address, a
/// space follows each.
fn is_in_number(text: &[char], at: usize, mark: char) -> bool {
    let digits = |part: &mut dyn Iterator<Item = &char>| {
        let mut seen = 0;
        for c in part {
            match c {
                c if c.is_ascii_digit() => seen += 1,
                c => return seen > 0 && *c != mark,
            }
        }
        seen > 0
    };
    digits(&mut text[..at].iter().rev()) && digits(&mut text[at + 1..].iter())
}

/// The beginning of a text that is too long, up to the last letter or digit that fits.
fn bounded(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let begin = text.char_indices().nth(most.saturating_sub(1)).map_or(text, |(end, _)| &text[..end]);
    format!("{}…", begin.trim_end_matches(|c: char| !c.is_alphanumeric()))
}

/// Maps several characters that programs treat alike to one: white space, the dots that separate the labels of a host
/// name (UTS 46, section 2.3), the full-width forms of ASCII (U+FF01 to U+FF5E), and `\`, which starts the name of a
/// file server.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => plain(char::from_u32(u32::from(c) - 0xfee0).unwrap_or(' ')),
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff61}' => '.',
        '\u{fe55}' | '\u{2236}' | '\u{a789}' => ':',
        '\u{fe6b}' => '@',
        '\u{2044}' | '\u{2215}' => '/',
        '\\' => ' ',
        c if c.is_whitespace() || c.is_control() => ' ',
        c => c,
    }
}

/// Characters without a visible form: those of the general category Cf, and those with the property
/// `Default_Ignorable_Code_Point`, as of Unicode 16. <https://www.unicode.org/reports/tr44/>
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00ad
            | 0x034f
            | 0x0600..=0x0605
            | 0x061c
            | 0x06dd
            | 0x070f
            | 0x0890..=0x0891
            | 0x08e2
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x2800
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0x110bd
            | 0x110cd
            | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff
    )
}

#[cfg(test)]
pub(crate) mod tests;
