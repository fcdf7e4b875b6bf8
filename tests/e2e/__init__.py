"""End to end: the installed `plangate` as a process, against what `plangate up` started, on the real example."""
