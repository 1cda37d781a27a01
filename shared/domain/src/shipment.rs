use crate::{Invalid, email::host_name, text::text_line};

/// A parcel that was handed to a carrier, as far as staff said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shipment {
    pub carrier: Option<Carrier>,
    pub tracking_number: Option<TrackingNumber>,
    pub tracking_url: Option<TrackingUrl>,
}

impl Shipment {
    pub fn is_empty(&self) -> bool {
        let Self { carrier, tracking_number, tracking_url } = self;
        carrier.is_none() && tracking_number.is_none() && tracking_url.is_none()
    }
}

text_line!(
    /// The name of a carrier.
    Carrier, "carrier", "carrier_invalid", 60
);
text_line!(
    /// The carrier's number of a parcel.
    TrackingNumber, "trackingNumber", "tracking_number_invalid", 60
);

/// The carrier's page about a parcel. The mail to the customer links to it, so it is `https` and names a host; it has no
/// user and no password, which would hide the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrackingUrl(String);

impl TrackingUrl {
    pub const MAX_CHARS: usize = 500;

    /// # Errors
    /// 422 `tracking_url_invalid`, with the rule that is violated.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let invalid = |reason: &str| Invalid::new("trackingUrl", "tracking_url_invalid", reason);
        let url = raw.trim();
        if url.len() > Self::MAX_CHARS {
            return Err(invalid("must be at most 500 characters"));
        }
        if !url.bytes().all(is_uri_character) {
            return Err(invalid("must contain only characters of a URL; others have to be percent-encoded"));
        }
        let scheme = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let rest = scheme.map(|scheme| &url[scheme.len()..]).ok_or_else(|| invalid("must begin with https://"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let host_is_named = host_name(host).is_some();
        let port_is_number = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if !host_is_named || !port_is_number {
            return Err(invalid(
                "must have the name of a host, such as https://carrier.example/parcels/1, and no user",
            ));
        }
        Ok(Self(format!("https://{rest}")))
    }

    /// Reads a stored one, which may follow older rules.
    pub fn stored(url: String) -> Self {
        Self(url)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 3986, section 2.
fn is_uri_character(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OrderState, Timestamp, order::tests::held};

    proptest! {
        #[test]
        fn an_accepted_tracking_url_is_one_link_to_a_host(raw in "(https://)?[a-z.:@/\\\\<>\"' ]{0,30}") {
            if let Ok(url) = TrackingUrl::parse(&raw) {
                let url = url.as_str();
                prop_assert!(url.starts_with("https://") && !url.contains([' ', '<', '>', '"', '\\']));
                prop_assert!(!url["https://".len()..].split('/').next().unwrap_or_default().contains('@'));
                prop_assert!(TrackingUrl::parse(url).is_ok_and(|again| again.as_str() == url));
            }
        }
    }

    #[test]
    fn a_tracking_url_is_https_and_names_its_host() {
        for url in [
            "https://carrier.example/parcels/1",
            "https://carrier.example",
            "https://track.carrier.example:8443/?id=A%20B&lang=de#top",
        ] {
            assert_eq!(TrackingUrl::parse(&format!(" {url} ")).unwrap().as_str(), url);
        }
        assert_eq!(TrackingUrl::parse("HTTPS://carrier.example/").unwrap().as_str(), "https://carrier.example/");
        let long = format!("https://carrier.example/{}", "a".repeat(500));
        for raw in [
            "",
            "carrier.example/1",
            "http://carrier.example/1",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "https:///1",
            "https://carrier",
            "https://127.0.0.1/1",
            "https://bank.example@evil.example/",
            "https://bank.example:x@evil.example/",
            "https://carrier.example\\@evil.example/",
            "https://carrier.example/\u{202e}",
            "https://carrier.example/a b",
            "https://carrier.example/\"><script>",
            "https://carrier.example:99999/",
            &long,
        ] {
            assert_eq!(TrackingUrl::parse(raw).unwrap_err().code, "tracking_url_invalid", "{raw}");
        }
    }

    #[test]
    fn an_order_has_its_parcel_from_the_version_in_which_it_was_shipped() {
        let now = Timestamp::UNIX_EPOCH;
        let parcel = Shipment { carrier: Carrier::parse("DHL").ok(), ..Shipment::default() };
        let paid = held().paid("pay_1", now).unwrap().order;
        let shipped = paid.ship_as(parcel.clone(), now).unwrap().unwrap().order;
        let delivered = shipped.deliver(now).unwrap().unwrap().order;

        assert_eq!((shipped.state, &shipped.shipments), (OrderState::Shipped, &vec![parcel.clone()]));
        assert_eq!(delivered.as_of(shipped.version).shipments, shipped.shipments);
        assert_eq!(delivered.as_of(paid.version).shipments, []);
        // Shipped once more, it stays as it is; without anything known it has no parcel.
        assert_eq!(shipped.ship_as(Shipment::default(), now), Ok(None));
        assert_eq!(paid.ship_as(Shipment::default(), now), paid.ship(now));
        assert!(held().ship_as(parcel, now).is_err());
    }

    #[test]
    fn carrier_and_tracking_number_are_lines_of_text() {
        assert_eq!(Carrier::parse(" Deutsche Post DHL ").unwrap().as_str(), "Deutsche Post DHL");
        assert_eq!(TrackingNumber::parse("JJD 0003 4121").unwrap().as_str(), "JJD 0003 4121");
        assert_eq!(Carrier::parse(&"x".repeat(61)).unwrap_err().field, "carrier");
        assert_eq!(TrackingNumber::parse("1\n2").unwrap_err().code, "tracking_number_invalid");
    }
}
