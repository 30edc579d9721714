module fanfare.example

go 1.19
