/// As many queries that are meant to do harm: the same ones for the same seed.
pub fn queries(count: usize, seed: u64) -> impl Iterator<Item = String> {
    let mut state = seed;
    // SplitMix64, see <https://prng.di.unimi.it/splitmix64.c>.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or_default()
    };
    (0..count).map(move |_| {
        let pieces = match next() % 10 {
            0 => 200 + next() % 2_000,
            _ => 1 + next() % 12,
        };
        let separator = SEPARATORS[next() % SEPARATORS.len()];
        let pieces: Vec<String> = (0..pieces)
            .map(|_| match next() % 8 {
                0 => "(".repeat(next() % 50) + WORDS[next() % WORDS.len()] + &")".repeat(next() % 50),
                1 => WORDS[next() % WORDS.len()].repeat(1 + next() % 30),
                2 => (0..next() % 40)
                    .filter_map(|_| char::from_u32(u32::try_from(next() % 0x11_0000).unwrap_or(0)))
                    .collect(),
                3 => format!("{}:{}", WORDS[next() % WORDS.len()], WORDS[next() % WORDS.len()]),
                4 => (0..next() % 30).map(|_| char::from(b'a' + u8::try_from(next() % 26).unwrap_or(0))).collect(),
                _ => WORDS[next() % WORDS.len()].to_owned(),
            })
            .collect();
        pieces.join(separator)
    })
}

const SEPARATORS: [&str; 9] = [" ", "", " AND ", " OR NOT ", "\" \"", "\u{0}", " && !", "\u{202e}", "~2 ^"];

const WORDS: [&str; 34] = [
    "usb",
    "lamp",
    "notebook",
    "cable",
    "a",
    "the",
    "27 inch",
    "4gb",
    "name:*",
    "*",
    "?",
    "[* TO *]",
    "{a TO z}",
    "\\",
    "\"",
    "'",
    "/.*/",
    "+",
    "-",
    "--",
    "~",
    "^9",
    "&&",
    "||",
    "!",
    "AND",
    "OR",
    "NOT",
    "👩‍👩‍👧",
    "مرحبا",
    "שלום",
    "ﷺ",
    "İ",
    "ß",
];
