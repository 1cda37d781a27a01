#!/usr/bin/env node
import { App, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

import { OneTill } from '../lib';
import { propsFromContext } from './context';

const app = new App();
const stack = new Stack(app, 'OneTill', {
  description: 'OneTill, the backend of an online shop. docs/operations.md says how to deploy and to run it.',
});
const shop = new OneTill(stack, 'OneTill', propsFromContext(stack));

const output = (id: string, description: string, value: string): void => {
  new CfnOutput(stack, id, { description, value });
};
output('ApiUrl', 'Where storefronts call', shop.apiUrl);
if (shop.apiDomain) {
  output('ApiDomainTarget', "Where the domain's DNS record points to", shop.apiDomain.regionalDomainName);
}
output('TableName', 'Name of the table', shop.table.tableName);
output('CatalogueTableName', 'Name of the table that the catalogue is in', shop.catalogueTable.tableName);
output('OrdersTableName', 'Name of the table that orders are in', shop.ordersTable.tableName);
output('SessionsTableName', 'Name of the table that sessions are in', shop.sessionsTable.tableName);
output('DescriptionsBucketName', 'Bucket of large descriptions and of the index of the search', shop.descriptionsBucket.bucketName);
output('AuditBucketName', 'Bucket of the audit log', shop.auditBucket.bucketName);
output('DeadLettersBucketName', 'Bucket of records that were given up', shop.deadLettersBucket.bucketName);
output('CursorKeysArn', 'Secret that seals cursors', shop.cursorKeys.secretArn);
output('LinkKeysArn', 'Secret that signs the links in mails about accounts', shop.linkKeys.secretArn);
output('OrderLinkKeysArn', 'Secret that signs the links to orders in mails', shop.orderLinkKeys.secretArn);
output('PaymentSecretsArn', "Secret to put Stripe's keys into", shop.paymentSecrets.secretArn);

Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
