//! Enums whose variants have names in the log and in counters.

/// Gives an enum a name for each variant, and the list of all variants: a variant without a row
/// does not compile. Variants that hold another such enum follow the rows.
macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal,)* } $($outer:ident($inner:ident))*) => {
        impl $type {
            /// The name in logs and counters.
            pub fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                    $($type::$outer(inner) => inner.name(),)*
                }
            }

            /// All variants.
            pub fn all() -> impl Iterator<Item = $type> {
                let all = [$($type::$variant,)*].into_iter();
                $(let all = all.chain($inner::all().map($type::$outer));)*
                all
            }
        }
    };
}

pub(crate) use named;
