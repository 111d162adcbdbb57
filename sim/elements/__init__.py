"""The golden model of each rule of multiplication."""
