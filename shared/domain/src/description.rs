use std::borrow::Cow;

use ammonia::Builder;

/// HTML without active content, as a product's description is stored. Sanitising twice changes nothing.
///
/// Pictures load over `https:` or from a path relative to the storefront, like a [`Thumbnail`](crate::Thumbnail); other
/// addresses are removed. A page served over HTTPS does not load pictures over HTTP, and such a request would reveal to
/// every network on its way which product is viewed.
pub fn sanitise(html: &str) -> String {
    let mut builder = Builder::default();
    builder.attribute_filter(|element, attribute, value| {
        let is_picture = matches!((element, attribute), ("img", "src"));
        (!is_picture || is_safe_picture(value)).then_some(Cow::Borrowed(value))
    });
    builder.clean(html).to_string().trim().to_owned()
}

/// Escapes plain text as HTML.
pub fn escape(text: &str) -> String {
    ammonia::clean_text(text)
}

/// Whether an address is `https:` or a relative path. Browsers skip white space in it, read `\` as `/` and ignore case.
fn is_safe_picture(url: &str) -> bool {
    let url: String = url.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let url = url.replace('\\', "/").to_ascii_lowercase();
    let relative = !url.starts_with("//") && !url.split(['/', '?', '#']).next().unwrap_or_default().contains(':');
    relative || url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_survives_and_sanitising_twice_changes_nothing() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<a href='javascript:alert(1)'>x</a>",
            "<svg/onload=alert(1)>",
            "<iframe src='data:text/html,<script>alert(1)</script>'></iframe>",
            "<p style='background:url(javascript:alert(1))'>x</p>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<<script>script>alert(1)<</script>/script>",
        ];
        for attack in attacks {
            let once = sanitise(attack);
            let lower = once.to_lowercase();
            for sign in ["<script", "onerror=", "onload=", "javascript:", "<iframe", "<svg", "<style"] {
                assert!(!lower.contains(sign), "{attack} became {once}");
            }
            assert_eq!(sanitise(&once), once);
        }
        assert_eq!(sanitise("<p>A <strong>mug</strong>.</p>"), "<p>A <strong>mug</strong>.</p>");
    }

    #[test]
    fn a_picture_comes_by_https_or_from_the_storefront() {
        for url in
            ["https://cdn.example/a.png?w=2", "HTTPS://cdn.example/a.png", "images/a.png", "/images/a.png?at=1:2"]
        {
            assert!(sanitise(&format!("<img src=\"{url}\">")).contains(url), "{url}");
        }
        for url in [
            "http://plain.example/a.png",
            "HTTP://plain.example/a.png",
            " http://plain.example/a.png",
            "ht\ntp://plain.example/a.png",
            "//plain.example/a.png",
            "/\\plain.example/a.png",
            "\\\\plain.example/a.png",
            "ftp://plain.example/a.png",
            "mailto:a@b.example",
            "https:plain.example",
            "https:/plain.example",
        ] {
            let shown = sanitise(&format!("<p>x<img src=\"{url}\" alt=\"a mug\"></p>"));
            assert_eq!(shown, "<p>x<img alt=\"a mug\"></p>", "{url}");
        }
        let link = sanitise("<a href=\"http://maker.example/\">maker</a>");
        assert!(link.contains("http://maker.example/"), "{link}");
    }
}
