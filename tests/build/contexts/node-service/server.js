const http = require("http");
const shout = require("shout");

http.createServer((request, response) => {
  response.end(`${shout(request.url)} ${process.env.NODE_ENV} ${process.getuid()}\n`);
}).listen(3000, "127.0.0.1");
