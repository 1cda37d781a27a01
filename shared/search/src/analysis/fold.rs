//! Characters without case, accents and typographic forms.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Appends the letters and digits that a character stands for, without case and accents; nothing for what is neither.
pub(crate) fn fold_char(c: char, folded: &mut String) {
    if c.is_ascii() {
        if c.is_ascii_alphanumeric() {
            folded.push(c.to_ascii_lowercase());
        }
        return;
    }
    if let Some(letters) = spelled_out(c) {
        folded.push_str(letters);
        return;
    }
    let mut buffer = [0; 4];
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(c.encode_utf8(&mut buffer));
    for part in decomposed.chars().flat_map(char::to_lowercase).filter(|part| part.is_alphanumeric()) {
        match spelled_out(part) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(part),
        }
    }
}

/// Letters that Unicode does not decompose, and signs whose decomposition would become part of the word before.
fn spelled_out(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ł' | 'Ł' => "l",
        'þ' | 'Þ' => "th",
        'ı' => "i",
        '™' | '℠' => "",
        _ => return None,
    })
}

/// German words without the second way to write an umlaut: `kopfhoerer` as `kopfhörer`, which is `kopfhorer` without
/// accents. After a vowel or `q` the letters are no umlaut: `neue`, `quer`.
pub(crate) fn fold_german(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    let mut before = ' ';
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        folded.push(c);
        let is_umlaut = matches!(c, 'a' | 'o' | 'u') && !matches!(before, 'a' | 'e' | 'i' | 'o' | 'u' | 'q');
        if is_umlaut && chars.peek() == Some(&'e') {
            chars.next();
        }
        before = c;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_umlaut_may_be_written_with_an_e() {
        assert_eq!(fold_german("kopfhoerer"), "kopfhorer");
        assert_eq!(fold_german("muetze"), "mutze");
        assert_eq!((fold_german("neue").as_str(), fold_german("quer").as_str()), ("neue", "quer"));
    }
}
