//! Reasons why a value cannot be put together from stored results, and which of several counts.
//! `assembly` finds them; the application fetches what is missing.

/// The reason why a value cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPut<E> {
    /// The result of a node is missing.
    Missing(E),
    /// A node that it needs lies in an element, with this number of indexes, that is left out of its list.
    LeftOut(u8),
    /// The value depends on something that is not stored, or a stored value has another form.
    NotStored,
}

impl<E> NotPut<E> {
    /// Returns the weight of a reason. A missing result weighs most, and of two holes the one at the outer level.
    const fn weight(&self) -> u8 {
        match self {
            Self::Missing(_) => u8::MAX,
            Self::LeftOut(level) => u8::MAX - 1 - *level,
            Self::NotStored => 0,
        }
    }
}

/// Returns all values; none if one of them was skipped. Looks at every value, so that all that is missing is asked for at
/// once.
pub(crate) fn all<T, E>(
    values: impl Iterator<Item = Result<Option<T>, NotPut<E>>>,
) -> Result<Option<Vec<T>>, NotPut<E>> {
    let (mut found, mut reason): (_, Option<NotPut<E>>) = (Some(Vec::new()), None);
    for value in values {
        match value {
            Ok(Some(value)) => {
                if let Some(found) = &mut found {
                    found.push(value);
                }
            }
            Ok(None) => found = None,
            Err(other) => {
                reason = Some(match reason {
                    Some(first) if first.weight() >= other.weight() => first,
                    Some(_) | None => other,
                });
            }
        }
    }
    reason.map_or(Ok(found), Err)
}
