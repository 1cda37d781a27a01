//! Where OpenSearch is, and how requests to it are authorised.

use std::fmt;

use aws::{Basic, Client, OPENSEARCH, OPENSEARCH_SERVERLESS, Service};
use aws_types::{SdkConfig, region::Region};
use http::Uri;
use percent_encoding::percent_decode_str;

/// The URL of a domain, of a serverless collection, or of a cluster of one's own. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port.
    origin: String,
    access: Access,
}

#[derive(Clone, PartialEq, Eq)]
enum Access {
    /// With a signature of the caller's role, in this region.
    Signed(Service, String),
    /// With a name and a password, or without either.
    Unsigned(Option<(String, String)>),
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL of OpenSearch {0}")]
pub struct InvalidEndpoint(&'static str);

impl Endpoint {
    /// Requests to a host of AWS are signed, for the region in its name; to any other they are not, and carry the name
    /// and password of the URL, if it has them.
    ///
    /// # Errors
    /// It is no such URL, or would send a password unencrypted over a network.
    pub fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = url.parse().map_err(|_| InvalidEndpoint("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidEndpoint("has no https:// or http:// at its beginning"));
        };
        if !matches!(scheme, "https" | "http") {
            return Err(InvalidEndpoint("is neither https: nor http:"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(InvalidEndpoint("has a path; an index is named apart from it"));
        }
        let (user, _) = authority.as_str().rsplit_once('@').unzip();
        let password = user.map(credentials).transpose()?;
        let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = authority.host().to_ascii_lowercase();
        let origin = format!("{scheme}://{host}{port}");
        let access = match of_aws(&host) {
            Some(_) if scheme != "https" => return Err(InvalidEndpoint("of AWS is not https:")),
            Some(_) if password.is_some() => return Err(InvalidEndpoint("of AWS has a password; requests are signed")),
            Some((service, region)) => Access::Signed(service, region),
            None if password.is_some() && scheme == "http" && !is_this_machine(&host) => {
                return Err(InvalidEndpoint("would send a password unencrypted: use https:"));
            }
            None => Access::Unsigned(password),
        };
        Ok(Self { origin, access })
    }

    /// A client of this endpoint. Credentials, connections, retries and timeouts are the configuration's.
    pub(crate) fn client(&self, config: &SdkConfig, operation: &'static str) -> Result<Client, String> {
        match &self.access {
            Access::Signed(service, region) => {
                let config = config.to_builder().region(Region::new(region.clone())).build();
                Client::new(*service, operation, &config, Some(&self.origin))
            }
            Access::Unsigned(password) => {
                let basic = password.as_ref().map(|(user, password)| Basic::new(user, password));
                Client::unsigned(OPENSEARCH, operation, config, &self.origin, basic)
            }
        }
    }
}

fn credentials(user: &str) -> Result<(String, String), InvalidEndpoint> {
    let (name, password) = user.split_once(':').ok_or(InvalidEndpoint("has a name without a password"))?;
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().map(|part| part.into_owned());
    match (decoded(name), decoded(password)) {
        (Ok(name), Ok(password)) => Ok((name, password)),
        _ => Err(InvalidEndpoint("has a name or password that is not UTF-8")),
    }
}

/// The service and the region of a host such as `search-shop-abc.eu-central-1.es.amazonaws.com` or
/// `abc.eu-central-1.aoss.amazonaws.com`. Newer names have the service first: `abc.aos.eu-central-1.on.aws`.
/// <https://docs.aws.amazon.com/general/latest/gr/opensearch-service.html>
fn of_aws(host: &str) -> Option<(Service, String)> {
    let labels: Vec<_> = host.split('.').collect();
    let (service, region) = match labels[..] {
        [.., region, service, "amazonaws", "com"] | [.., region, service, "amazonaws", "com", "cn"] => {
            (service, region)
        }
        [.., service, region, "on", "aws"] => (service, region),
        _ => return None,
    };
    match service {
        "es" | "aos" => Some((OPENSEARCH, region.to_owned())),
        "aoss" => Some((OPENSEARCH_SERVERLESS, region.to_owned())),
        _ => None,
    }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(url: &str) -> Result<Access, &'static str> {
        Endpoint::parse(url).map(|endpoint| endpoint.access).map_err(|InvalidEndpoint(reason)| reason)
    }

    impl fmt::Debug for Access {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Signed(service, region) => write!(f, "{} {region}", service.signing_name),
                Self::Unsigned(password) => write!(f, "{password:?}"),
            }
        }
    }

    #[test]
    fn a_host_of_aws_is_signed_for_in_its_region() {
        let signed = |service, region: &str| Ok(Access::Signed(service, region.to_owned()));

        for (url, expected) in [
            ("https://search-shop-abc.eu-central-1.es.amazonaws.com", signed(OPENSEARCH, "eu-central-1")),
            ("https://vpc-shop-abc.us-east-1.es.amazonaws.com/", signed(OPENSEARCH, "us-east-1")),
            ("https://shop-abc.cn-north-1.es.amazonaws.com.cn", signed(OPENSEARCH, "cn-north-1")),
            ("https://shop-abc.aos.eu-west-1.on.aws", signed(OPENSEARCH, "eu-west-1")),
            ("https://abc.eu-central-1.aoss.amazonaws.com", signed(OPENSEARCH_SERVERLESS, "eu-central-1")),
            ("https://abc.aoss.us-east-1.on.aws:443", signed(OPENSEARCH_SERVERLESS, "us-east-1")),
        ] {
            assert_eq!(access(url), expected, "{url}");
        }
    }

    #[test]
    fn any_other_host_gets_a_password_or_nothing() {
        let ann = Some(("ann".to_owned(), "p:w@d".to_owned()));

        assert_eq!(access("http://localhost:9200"), Ok(Access::Unsigned(None)));
        assert_eq!(access("http://ann:p%3Aw%40d@127.0.0.1:9200"), Ok(Access::Unsigned(ann.clone())));
        assert_eq!(access("https://ann:p%3Aw%40d@search.example"), Ok(Access::Unsigned(ann)));
        assert_eq!(access("https://es.amazonaws.com.example"), Ok(Access::Unsigned(None)));
        assert_eq!(
            format!("{:?}", Endpoint::parse("https://ann:secret@search.example").unwrap()),
            "https://search.example"
        );
    }

    #[test]
    fn what_would_give_a_secret_away_is_refused() {
        assert!(access("http://ann:secret@search.example").unwrap_err().contains("unencrypted"));
        assert!(access("http://abc.eu-central-1.aoss.amazonaws.com").unwrap_err().contains("https"));
        for url in
            ["", "localhost:9200", "ftp://localhost", "https://localhost/products", "https://ann@localhost", "https://"]
        {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }
}
