/// A language that the shop writes mails in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    #[default]
    En,
    De,
}

impl Language {
    pub const ALL: [Language; 2] = [Language::En, Language::De];

    /// Its code of ISO 639-1.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
        }
    }

    /// Reads what [`Language::as_str`] writes.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.as_str() == raw)
    }

    /// The language that a client prefers, by its `Accept-Language` header (RFC 9110, section 12.5.4); English if it
    /// accepts none of ours. A regional form, such as `de-AT`, counts as its language. What is malformed is ignored:
    /// this header is never a reason to refuse a request.
    pub fn preferred(accept_language: &str) -> Self {
        let mut ranges: Vec<(&str, u16)> = accept_language.split(',').filter_map(range).collect();
        // Stable: of equal qualities the first one counts.
        ranges.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
        let refused = |language: Language| {
            ranges.iter().any(|(range, quality)| *quality == 0 && Self::of_range(range) == Some(language))
        };
        let accepted = ranges.iter().filter(|(_, quality)| *quality > 0);
        let any = || Self::ALL.into_iter().find(|language| !refused(*language));
        accepted
            .filter_map(|(range, _)| if *range == "*" { any() } else { Self::of_range(range) })
            .next()
            .unwrap_or_default()
    }

    fn of_range(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.as_str().eq_ignore_ascii_case(primary))
    }
}

/// A language range and its quality in thousandths.
fn range(raw: &str) -> Option<(&str, u16)> {
    let (range, parameter) = raw.split_once(';').map_or((raw, None), |(range, parameter)| (range, Some(parameter)));
    let quality = match parameter {
        None => 1_000,
        Some(parameter) => quality(parameter.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim())?,
    };
    Some((range.trim(), quality))
}

/// `0` to `1` with at most three decimals, in thousandths.
fn quality(raw: &str) -> Option<u16> {
    let (whole, decimals) = raw.split_once('.').unwrap_or((raw, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_header_is_refused(raw in ".{0,40}", ranges in "((de|en|fr|\\*)(-AT)?(;q=(0|1|0\\.[0-9]{1,3}))?,? ?){0,5}") {
            Language::preferred(&raw);
            Language::preferred(&ranges);
        }

        #[test]
        fn the_higher_quality_decides(de in 1..1_000u16, en in 1..1_000u16) {
            let header = format!("fr, de;q=0.{de:03}, en;q=0.{en:03}");

            let expected = if en > de { Language::En } else { Language::De };
            prop_assert_eq!(Language::preferred(&header), expected);
        }
    }

    #[test]
    fn the_language_is_the_one_that_the_client_prefers() {
        for (header, language) in [
            ("", Language::En),
            ("de", Language::De),
            ("de-AT,de;q=0.9,en;q=0.8", Language::De),
            ("en-GB,en;q=0.9,de;q=0.8", Language::En),
            ("en;q=0.5, de;q=0.7", Language::De),
            ("fr, DE ; q=0.3", Language::De),
            ("fr", Language::En),
            ("*", Language::En),
            ("*, en;q=0", Language::De),
            ("de;q=0", Language::En),
            ("den", Language::En),
            ("de;q=2, de;q=x, ;;q=, de;level=1", Language::En),
        ] {
            assert_eq!(Language::preferred(header), language, "{header}");
        }
    }

    #[test]
    fn every_language_reads_back_from_its_code() {
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
        }
    }
}
