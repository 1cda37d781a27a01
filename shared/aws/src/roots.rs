//! The certificate authorities that a function trusts.
//!
//! A function calls AWS and nothing else through the SDK. The bundle of the system has some 150 roots, and reading it took
//! most of the system calls of a start.

use std::{fmt::Display, fs};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{Error, PemObject as _},
    },
};

/// The roots of Amazon Trust Services.
const AMAZON: &[u8] = include_bytes!("../roots/amazon.pem");

/// Names a file of roots to trust instead, as in other SDKs: for an endpoint that Amazon's own do not vouch for.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>
const BUNDLE: &str = "AWS_CA_BUNDLE";

/// The roots to trust: Amazon's, or those of the file that `AWS_CA_BUNDLE` names.
///
/// # Errors
/// The file cannot be read, or there is no usable certificate in it.
pub fn roots() -> Result<RootCertStore, String> {
    let Some(file) = std::env::var_os(BUNDLE).filter(|file| !file.is_empty()) else {
        return usable(AMAZON).map_err(|e| e.to_string());
    };
    let wrong = |why: &dyn Display| format!("{BUNDLE}={}: {why}", file.display());
    let bundle = fs::read(&file).map_err(|e| wrong(&e))?;
    let roots = usable(&bundle).map_err(|e| wrong(&e))?;
    if roots.is_empty() { Err(wrong(&"has no certificate that can be trusted")) } else { Ok(roots) }
}

/// The certificates that can be trusted, without those that cannot be read: the bundle of a system may have old ones.
fn usable(bundle: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(bundle).collect::<Result<Vec<_>, _>>()?;
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_of_amazon_can_be_trusted() {
        assert_eq!(AMAZON.windows(11).filter(|text| *text == b"-----BEGIN ").count(), 5);
        assert_eq!(usable(AMAZON).unwrap().len(), 5);
    }

    #[test]
    fn what_is_no_certificate_is_left_out_of_a_bundle() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bundle = [broken.as_bytes(), AMAZON].concat();

        assert_eq!(usable(&bundle).unwrap().len(), 5);
        assert!(usable(broken.as_bytes()).unwrap().is_empty());
        assert!(usable(b"no certificates").unwrap().is_empty());
    }
}
