//! Names of nodes, with the indexes of elements and iterations in them: `t1[3]/each[0]`, `t1[3]/halve@2`.
//! `checker` compares them.

/// Returns the name of a node's task, without indexes.
pub(crate) fn task_of(node: &str) -> String {
    let node = iteration(node).map_or(node, |(node, _)| node);
    node.split('[').map(|part| part.split_once(']').map_or(part, |(_, after)| after)).collect()
}

/// Splits the name of an iteration into that of its node and the number.
pub(crate) fn iteration(node: &str) -> Option<(&str, u32)> {
    let (node, number) = node.split_once('@')?;
    Some((node, number.parse().ok()?))
}

/// Returns a node and those that it is an iteration or an element of, the innermost first.
pub(crate) fn around(node: &str) -> Vec<String> {
    let mut all = vec![node.to_owned()];
    all.extend(iteration(node).map(|(node, _)| node.to_owned()));
    while let Some((before, rest)) = all.last().and_then(|inner| inner.rsplit_once('[')) {
        let after = rest.split_once(']').map_or("", |(_, after)| after);
        all.push(format!("{before}{after}"));
    }
    all
}

/// Returns the node that `pattern` means for a node: each `*` is an index of the node, the outermost first.
pub(crate) fn filled(pattern: &str, node: &str) -> String {
    let indexes = node.split('[').skip(1).filter_map(|part| part.split(']').next());
    indexes.fold(pattern.to_owned(), |pattern, index| pattern.replacen('*', index, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_found_and_filled_in() {
        assert_eq!(task_of("t1[3]/each[0]"), "t1/each");
        assert_eq!(task_of("t1"), "t1");
        assert_eq!(around("t1[3]/each[0]"), ["t1[3]/each[0]", "t1[3]/each", "t1/each"]);
        assert_eq!(task_of("t1[3]/halve@2"), "t1/halve");
        assert_eq!(iteration("t1[3]/halve@2"), Some(("t1[3]/halve", 2)));
        assert_eq!(around("t1[3]/halve@2"), ["t1[3]/halve@2", "t1[3]/halve", "t1/halve"]);
        assert_eq!(filled("t1[*]/sum", "t1[3]/halve@2"), "t1[3]/sum");
        assert_eq!(filled("t1[*]/list", "t1[3]/each[0]"), "t1[3]/list");
        assert_eq!(filled("t1[*]/a[*]", "t1[3]/each[0]"), "t1[3]/a[0]");
        assert_eq!(filled("t2", "t1[3]/each[0]"), "t2");
    }
}
