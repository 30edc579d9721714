//! A switch in the environment.

/// A switch, as the environment sets it: the flag itself has no value.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
        "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("expected 1, true, yes or on; or 0, false, no or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_on_and_off() {
        for (text, expected) in
            [("1", true), ("Yes", true), ("ON", true), ("0", false), ("off", false)]
        {
            assert_eq!(switch(text), Ok(expected), "{text}");
        }
        for text in ["", "2", "enabled"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }
}
