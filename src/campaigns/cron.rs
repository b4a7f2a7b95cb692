//! Cron expressions, as definitions hold them.

/// Reads a cron expression of five fields.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse(text: &str) -> Result<croner::Cron, String> {
    croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| {
            format!("{text:?} is not a cron expression of five fields (minute hour day month weekday): {error}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_fields_are_refused_with_the_reason() {
        let problem = parse("0 0 9 * * *").unwrap_err();
        assert!(problem.contains("five fields"), "{problem}");
    }
}
