"""What benches/compare measures, once everything is built and installed: standard library only."""
