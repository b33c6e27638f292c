//! The manual's examples are plans, and the schema names the parser's keys.
