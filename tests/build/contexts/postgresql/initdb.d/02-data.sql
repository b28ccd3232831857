insert into fruit values ('fig', 3), ('pear', 4);
