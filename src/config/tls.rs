//! Flags about TLS.

use super::{Door, Impossible, Pair};
use clap::Args;
use std::path::PathBuf;

/// Certificates and their keys.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    /// A certificate with its chain, in PEM; may be given several times, and the name that a client
    /// asks for chooses. Without ?tls at a --listen, all that are no Unix sockets speak TLS. One
    /// that is for a single --listen stands there: ?cert=PATH&key=PATH
    #[arg(long, env = "FANFARE_TLS_CERT", value_name = "PATH", value_delimiter = ',')]
    pub tls_cert: Vec<PathBuf>,

    /// The private key of the certificate that stands at the same place, in PEM
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

    /// Says which doors speak TLS.
    ///
    /// # Errors
    /// When one is to speak it without a certificate.
    pub fn apply(&self, doors: &[Door]) -> Result<Vec<Door>, Impossible> {
        let mut doors = doors.to_vec();
        let asks = |door: &Door| door.has_tls && door.pairs.is_empty();
        match (self.pairs()?.is_empty(), doors.iter().find(|door| asks(door))) {
            (true, Some(door)) => {
                let why = format!("{door} needs --tls-cert and --tls-key");
                return Err(Impossible::of("listen", why));
            }
            (false, None) => {
                let of_tcp = |door: &&mut Door| door.place.is_tcp();
                doors.iter_mut().filter(of_tcp).for_each(|door| door.has_tls = true);
            }
            _ => {}
        }
        Ok(doors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_tls() {
        let flags = |certificates: &[&str], keys: &[&str]| TlsFlags {
            tls_cert: certificates.iter().map(PathBuf::from).collect(),
            tls_key: keys.iter().map(PathBuf::from).collect(),
        };
        let doors = |texts: &[&str]| -> Vec<Door> {
            texts.iter().map(|text| text.parse().expect("a door")).collect()
        };
        let speak = |flags: &TlsFlags, texts: &[&str]| -> Result<Vec<bool>, Impossible> {
            Ok(flags.apply(&doors(texts))?.iter().map(|door| door.has_tls).collect())
        };
        let both = ["127.0.0.1:1", "unix:/x", "localhost:2"];
        assert_eq!(speak(&flags(&[], &[]), &both), Ok(vec![false; 3]));
        assert_eq!(speak(&flags(&["c"], &["k"]), &both), Ok(vec![true, false, true]));
        let one = ["127.0.0.1:1", "127.0.0.1:2?tls"];
        assert_eq!(speak(&flags(&["c"], &["k"]), &one), Ok(vec![false, true]));
        assert!(speak(&flags(&[], &[]), &one).is_err());
        let own = ["127.0.0.1:1", "127.0.0.1:2?cert=c&key=k"];
        assert_eq!(speak(&flags(&[], &[]), &own), Ok(vec![false, true]));
        assert_eq!(speak(&flags(&["c"], &["k"]), &own), Ok(vec![true, true]));
        assert!(speak(&flags(&["c", "d"], &["k"]), &both).is_err());
    }
}
