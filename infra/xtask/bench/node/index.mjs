// The route of a product as it would be deployed for Node.js: Lambda's runtime loop and the AWS SDK, version 3, bundled.
import http from "node:http";
import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";

// Endpoint, region and credentials from the environment, as on AWS.
const db = new DynamoDBClient({});
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, agent }, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve([response.headers, text]));
    });
    request.on("error", reject);
    request.end(body);
  });

for (;;) {
  const [headers, text] = await call("GET", "/2018-06-01/runtime/invocation/next");
  const request = headers["lambda-runtime-aws-request-id"];
  const product = JSON.parse(text).rawPath.split("/").pop();
  const page = await db.send(
    new QueryCommand({
      TableName: process.env.TABLE_NAME,
      KeyConditionExpression: "PK = :pk AND begins_with(SK, :prefix)",
      ExpressionAttributeValues: { ":pk": { S: `PROD#${product}` }, ":prefix": { S: "META#" } },
    }),
  );
  const [meta, stock] = page.Items.map((item) => unmarshall(item));
  const body = JSON.stringify({ productId: product, name: meta?.name, price: meta?.price, available: stock?.available });
  const answer = { statusCode: 200, headers: { "content-type": "application/json" }, body };
  await call("POST", `/2018-06-01/runtime/invocation/${request}/response`, JSON.stringify(answer));
}
