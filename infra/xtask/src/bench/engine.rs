//! The local stack whose engine the measured functions read, and the engine once more behind TLS.

use std::{
    fs, io,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::{Outcome, process::Running, stripe::build_local_stack};

const START_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Engine {
    pub http: String,
    pub https: String,
    pub table: String,
    /// The certificate that `https` has, as `AWS_CA_BUNDLE` takes it.
    pub bundle: PathBuf,
    _stack: Running,
    _proxy: Runtime,
}

impl Engine {
    /// Starts the local stack with the sample, and a proxy that ends TLS before its engine.
    ///
    /// # Errors
    /// It cannot be built or started.
    pub fn start(folder: &std::path::Path) -> Outcome<Self> {
        let program = build_local_stack()?;
        let mut command = Command::new(program);
        command.args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data", "memory"]);
        command.args(["--seed", "sample", "--limits", "off"]);
        let mut stack = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
        let line = stack.first_line(START_TIMEOUT)?;
        let named = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            value.map(str::to_owned).ok_or_else(|| format!("not a ready line: {line}"))
        };
        let (http, table) = (named("dynamodb=")?, named("table=")?);

        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let bundle = folder.join("engine.pem");
        fs::write(&bundle, cert.pem())?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        let proxy = Runtime::new()?;
        let listener = proxy.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let https = format!("https://{}", listener.local_addr()?);
        let engine = http.trim_start_matches("http://").to_owned();
        proxy.spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), engine));
        Ok(Self { http, https, table, bundle, _stack: stack, _proxy: proxy })
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, engine: String) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, engine) = (acceptor.clone(), engine.clone());
        // A function that is ended closes its connection somewhere in the middle.
        tokio::spawn(async move { relay(client, &acceptor, &engine).await });
    }
}

async fn relay(client: TcpStream, acceptor: &TlsAcceptor, engine: &str) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut engine = TcpStream::connect(engine).await?;
    engine.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut engine).await.map(|_| ())
}
