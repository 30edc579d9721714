//! Doors of one server: whether they can be open together, and which of them speak TLS.

use super::{Door, places};

/// The doors as they are opened together; with certificates that are for no single door, all that
/// are no Unix sockets speak TLS, unless some are said to.
///
/// # Errors
/// When two of them have an address and its port in common, or one is to speak TLS without a
/// certificate; a sentence says what is wrong.
pub fn doors_together(doors: &[Door], has_certificates: bool) -> Result<Vec<Door>, String> {
    places::check(doors)?;
    let mut doors = doors.to_vec();
    let asks = |door: &Door| door.has_tls && door.pairs.is_empty();
    match (has_certificates, doors.iter().find(|door| asks(door))) {
        (false, Some(door)) => {
            return Err(format!(
                "{door} needs --tls-cert and --tls-key, or cert= and key= behind it"
            ));
        }
        (true, None) => {
            let of_tcp = |door: &&mut Door| door.place.is_tcp();
            doors.iter_mut().filter(of_tcp).for_each(|door| door.has_tls = true);
        }
        _ => {}
    }
    Ok(doors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_that_speak_tls() {
        let speak = |has_certificates: bool, texts: &[&str]| -> Result<Vec<bool>, String> {
            let doors = texts.iter().map(|text| text.parse().expect("a door"));
            let doors = doors_together(&doors.collect::<Vec<Door>>(), has_certificates)?;
            let again = doors_together(&doors, has_certificates);
            assert_eq!(again.as_ref(), Ok(&doors), "asked twice, it is the same");
            Ok(doors.iter().map(|door| door.has_tls).collect())
        };
        let both = ["127.0.0.1:1", "unix:/x", "localhost:2"];
        assert_eq!(speak(false, &both), Ok(vec![false; 3]));
        assert_eq!(speak(true, &both), Ok(vec![true, false, true]));
        let one = ["127.0.0.1:1", "127.0.0.1:2?tls"];
        assert_eq!(speak(true, &one), Ok(vec![false, true]));
        assert!(speak(false, &one).is_err());
        let own = ["127.0.0.1:1", "127.0.0.1:2?cert=c&key=k"];
        assert_eq!(speak(false, &own), Ok(vec![false, true]));
        assert_eq!(speak(true, &own), Ok(vec![true, true]));
        assert!(speak(false, &["127.0.0.1:1", "127.0.0.1:1"]).is_err(), "one is there twice");
    }
}
