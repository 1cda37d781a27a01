//! Lambda's runtime interface emulator, with one function under it.
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator>

use std::{fs, path::PathBuf, process::Child, time::Duration};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::Outcome;

/// A function under the emulator; dropping it ends it.
pub struct Running {
    child: Child,
    log: PathBuf,
    url: String,
}

impl Running {
    /// `url` is where the emulator takes invocations.
    pub fn new(child: Child, log: PathBuf, url: String) -> Self {
        Self { child, log, url }
    }

    pub async fn invoke(&self, event: &Value) -> Outcome<Value> {
        let url = format!("{}/2015-03-31/functions/function/invocations", self.url);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        let text = client.post(url).json(event).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| format!("it is answered {text:?}"))?;
        match answer.get("errorMessage") {
            Some(error) => Err(format!("it fails: {error}").into()),
            None => Ok(answer),
        }
    }

    /// As API Gateway does; the body of the answer.
    pub async fn http(&self, event: Value, status: u16) -> Outcome<Value> {
        let answer = self.invoke(&event).await?;
        if answer["statusCode"] != status {
            return Err(format!("{} is answered {answer}", event["rawPath"]).into());
        }
        Ok(serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default())
    }

    /// Ends it, and returns what it logged.
    pub fn end(mut self) -> Outcome<String> {
        self.kill();
        Ok(fs::read_to_string(&self.log)?)
    }

    fn kill(&mut self) {
        // It may have ended by itself, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?.port())
}

pub async fn wait_for_port(port: u16) -> Outcome<()> {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the emulator does not listen".into())
}
