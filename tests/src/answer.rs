use serde_json::Value;

/// An answer of the shop.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

/// The cost that an answer reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub rru: f64,
    pub wru: f64,
    pub dynamodb: f64,
    pub s3: f64,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer arrives whole");
        assert!(status < 500 || headers.contains_key("retry-after"), "{status}: {text}");
        Self { status, headers, text }
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as JSON; `null` if there is none.
    pub fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Every cookie that is set or cleared.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok()).collect()
    }

    /// The stable code of a problem, after checking that it is one.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], self.status);
        body["code"].as_str().expect("a problem has a code").to_owned()
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub fn cost(&self) -> Cost {
        let header = self.header("x-consumed-capacity").expect("the local stack reports costs");
        let unit = |name: &str| {
            let found = header.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.and_then(|n| n.parse().ok()).expect("a number")
        };
        Cost { rru: unit("rru"), wru: unit("wru"), dynamodb: unit("dynamodb"), s3: unit("s3") }
    }
}
