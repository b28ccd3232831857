create table fruit (name text, n int);
