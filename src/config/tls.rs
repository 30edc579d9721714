//! Flags about TLS.

use super::Impossible;
use crate::listen::Pair;
use clap::Args;
use std::path::PathBuf;

/// Certificates and their keys.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    /// A certificate with its chain, in PEM; may be given several times: the server name in a
    /// client's handshake selects one. When no --listen has ?tls, all TCP listeners speak TLS. A
    /// certificate for one listener alone is an option of its --listen: ?cert=PATH&key=PATH
    #[arg(long, env = "FANFARE_TLS_CERT", value_name = "PATH", value_delimiter = ',')]
    pub tls_cert: Vec<PathBuf>,

    /// The private key, in PEM; the first --tls-key belongs to the first --tls-cert, and so on
    #[arg(long, env = "FANFARE_TLS_KEY", value_name = "PATH", value_delimiter = ',')]
    pub tls_key: Vec<PathBuf>,
}

impl TlsFlags {
    /// The pairs.
    ///
    /// # Errors
    /// When there are more of one than of the other.
    pub fn pairs(&self) -> Result<Vec<Pair>, Impossible> {
        if self.tls_cert.len() != self.tls_key.len() {
            let (certificates, keys) = (self.tls_cert.len(), self.tls_key.len());
            let why = format!("{certificates} certificates need as many keys, not {keys}");
            return Err(Impossible::of("tls_key", why));
        }
        let pairs = self.tls_cert.iter().zip(&self.tls_key);
        Ok(pairs
            .map(|(certificate, key)| Pair { certificate: certificate.clone(), key: key.clone() })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_has_its_key() {
        let flags = |certificates: &[&str], keys: &[&str]| TlsFlags {
            tls_cert: certificates.iter().map(PathBuf::from).collect(),
            tls_key: keys.iter().map(PathBuf::from).collect(),
        };
        let pairs = flags(&["c", "d"], &["k", "l"]).pairs().expect("two of each");
        assert_eq!(pairs[1], Pair { certificate: "d".into(), key: "l".into() });
        assert!(flags(&["c", "d"], &["k"]).pairs().is_err());
    }
}
